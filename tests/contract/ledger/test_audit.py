"""The audit log, as each database keeps it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.audit import (
    Action,
    Actor,
    Entry,
    Via,
    append,
    count_since,
    latest_number,
    latest_times,
    list_entries,
)
from tests.conftest import START

KIM = Actor(user="kim", via=Via.PAGE, address="192.0.2.7")
ENTRY = Entry.by(
    KIM, Action.UPLOADED, at="2026-03-02T04:45:00Z", about="00ff", detail={"file_name": "<b>=1+1", "rows": 3}
)


async def fill(ledger: Ledger, *entries: Entry) -> None:
    for entry in entries:
        await ledger.write(append, entry)


async def test_what_somebody_did_is_told_as_it_was_written(ledger: Ledger) -> None:
    await fill(ledger, ENTRY)
    (told,) = await ledger.read(list_entries)
    assert told == replace(ENTRY, number=told.number)
    assert told.number > 0


async def test_the_latest_comes_first_and_pages_follow_each_other_without_gaps(ledger: Ledger) -> None:
    await fill(ledger, *(replace(ENTRY, about=str(number)) for number in range(5)))
    first = await ledger.read(list_entries, limit=2)
    await fill(ledger, replace(ENTRY, about="later"))
    rest = await ledger.read(list_entries, before=first[-1].number)
    assert [entry.about for entry in (*first, *rest)] == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    "wanted", [{"user": "lee"}, {"action": "checked"}, {"about": "0a"}, {"user": "lee", "about": "0a"}]
)
async def test_entries_are_chosen_by_user_action_and_what_they_are_about(
    ledger: Ledger, wanted: dict[str, Any]
) -> None:
    other = replace(ENTRY, user="lee", action=Action.CHECKED, about="0a")
    await fill(ledger, ENTRY, other, ENTRY)
    assert [entry.user for entry in await ledger.read(list_entries, **wanted)] == ["lee"]


async def test_what_happened_since_an_instant_is_counted(ledger: Ledger) -> None:
    early = replace(ENTRY, at="2026-03-02T04:44:59Z")
    await fill(ledger, early, ENTRY, replace(ENTRY, address="192.0.2.8"), replace(ENTRY, about="0a"))
    assert await ledger.read(count_since, Action.UPLOADED, START) == 3
    assert await ledger.read(count_since, Action.UPLOADED, START, about="00ff") == 2
    assert await ledger.read(count_since, Action.UPLOADED, START, address="192.0.2.8") == 1
    assert await ledger.read(count_since, Action.CHECKED, START) == 0


async def test_the_times_of_the_latest_are_told_after_an_entry(ledger: Ledger) -> None:
    await fill(ledger, ENTRY, replace(ENTRY, action=Action.USER_ENABLED), *[ENTRY] * 3)
    unlocked = await ledger.read(latest_number, [Action.USER_ENABLED, Action.CHECKED], about="00ff")
    since = START - timedelta(minutes=1)
    times = await ledger.read(latest_times, Action.UPLOADED, since=since, limit=9, after=unlocked)
    assert times == [START] * 3
    assert await ledger.read(latest_number, [Action.CHECKED], about="00ff") == 0


CHANGES = [
    "UPDATE audit SET \"user\" = 'nobody'",
    "UPDATE audit SET detail = '' WHERE number = 1",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE number = 1",
]
OF_SQLITE = [
    "INSERT OR REPLACE INTO audit (number, \"user\") VALUES (1, 'nobody')",
    "REPLACE INTO audit (number) VALUES (1)",
    "INSERT INTO audit (number) VALUES (1) ON CONFLICT (number) DO UPDATE SET about = 'else'",
]
OF_POSTGRESQL = [
    "TRUNCATE audit",
    "INSERT INTO audit (number) VALUES (1) ON CONFLICT (number) DO UPDATE SET about = 'else'",
]


async def test_nothing_in_it_can_be_changed_or_removed_not_even_by_hand(ledger: Ledger) -> None:
    await fill(ledger, ENTRY, ENTRY)
    before = await ledger.read(list_entries)
    name = await ledger.read(lambda connection: connection.dialect.name)
    for statement in [*CHANGES, *(OF_SQLITE if name == "sqlite" else OF_POSTGRESQL)]:

        def change(connection: Connection, statement: str = statement) -> None:
            connection.exec_driver_sql(statement)

        with pytest.raises(LedgerUnavailable, match="the audit log is only added to"):
            await ledger.write(change)
    assert await ledger.read(list_entries) == before
    await fill(ledger, ENTRY)
    assert len(await ledger.read(list_entries)) == 3
