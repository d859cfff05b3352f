"""A month of nights: whatever happens, every night ends right, and the right people hear what they must."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import NoProgress
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.inbox import Completeness, PassOptions, PassResult, work_folder_and_tell
from batch_issuer.sandbox import Sandbox, Scenario
from tests.inbox.mortal import KILLED
from tests.inbox.relay import Relay, open_relay
from tests.inbox.watched import Watched, rows_of
from tests.notices.receivers import Webhook, open_webhook
from tests.pipeline.world import open_world, read_csv

YEAR, MONTH, DAYS = 2026, 3, 30
ROWS = 7
LOGIN: dict[str, Any] = {
    "client_key": "maker-key",
    "client_secret": "maker-secret",
    "intouch_authorization": "Basic aW5uZXI6Y2FsbA==",
}


class ForgetsTokens(NoProgress):
    """Lets the server forget its tokens as soon as the first request is through."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def request_at_rest(self) -> None:
        self._sandbox.forget_tokens()


@dataclass(slots=True, kw_only=True)
class Month:
    """A folder whose files come by night, and a checker who decides by day."""

    watched: Watched
    relay: Relay
    makers: Webhook
    checkers: Webhook

    def go_to(self, day: int, hour: int, minute: int = 0) -> None:
        self.watched.world.time.instant = datetime(YEAR, MONTH, day, hour, minute, tzinfo=UTC)

    def put(self, day: int, name: str = "customers.csv") -> None:
        self.watched.put(name, self.rows(day))

    @staticmethod
    def rows(day: int) -> str:
        return rows_of(*range(1_000 * day, 1_000 * day + ROWS))

    async def work(self) -> PassResult:
        options = PassOptions(issue=IssueOptions(check_badges=False), rule=Completeness())
        world = self.watched.world
        return await world.run(lambda services: work_folder_and_tell(services, self.watched.path, options))

    async def die(self) -> int:
        """Make a pass in a process of its own, which is killed when all is sent and nothing is moved."""
        world = self.watched.world
        secret = {"notify": self.makers.address(), "notify_checkers": self.checkers.address()}
        settings = {**world.settings().public(), **LOGIN, **secret, "password": "maker-password"}
        settings |= {"username": "maker.till", "ui_auth_token": "maker.ui.token"}
        facts = {"settings": settings, "folder": str(self.watched.path), "changes": 1}
        facts["instant"] = world.time.instant.isoformat()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.inbox.crash", json.dumps(facts)
        )
        return await process.wait()

    def heard(self) -> list[str]:
        """Return what makers and checkers were told since the last time."""
        told = [f"makers: {one}" for one in self.makers.subjects()]
        told += [f"checkers: {one}" for one in self.checkers.subjects()]
        self.makers.told.clear()
        self.checkers.told.clear()
        return told


@pytest.fixture
async def month(tmp_path: Path) -> AsyncIterator[Month]:
    scenario = Scenario(auth="oauth")
    async with (
        open_webhook() as makers,
        open_webhook() as checkers,
        open_world(tmp_path, scenario, **LOGIN) as world,
        open_relay(world.sandbox.url) as relay,
    ):
        world.overrides |= {
            "base_url": relay.url,
            "notify": makers.address(),
            "notify_checkers": checkers.address(),
            "notify_no_file_by": "01:30",
            "notify_digest_at": "01:00",
            "notify_pending_hours": 30,
            "rate": 100,
        }
        path = tmp_path / "inbox"
        path.mkdir()
        watched = Watched(world=world, path=path)
        yield Month(watched=watched, relay=relay, makers=makers, checkers=checkers)


FINE = {"file": 1, "issued": ROWS}
"""What the digest says of most nights: a file came, and that of the night before is issued."""
BROUGHT: dict[int, dict[str, int]] = {
    1: {"file": 1, "issued": 0},
    5: {"file": 0, "issued": ROWS},  # the file comes later
    6: {"file": 2, "issued": ROWS},
    11: {"file": 2, "issued": ROWS},
    12: {"file": 1, "issued": ROWS + 2},
    16: {"file": 1, "issued": 0},  # the server is away
    18: {"file": 1, "issued": 2 * ROWS},
    23: {"file": 1, "issued": 0},  # all were rejected
    26: {"file": 1, "issued": 0},  # the checker is away
    27: {"file": 1, "issued": 0},
    28: {"file": 1, "issued": 3 * ROWS},
}
LATE = f"waiting for a checker: {ROWS} rows of 1 file, the oldest for 2 days"
TOLD = {
    3: ["makers: bad rows.csv was refused: nothing was sent"],
    4: ["makers: no table.csv was refused: nothing was sent"],
    5: ["makers: no file came by 01:30"],
    8: ["makers: once more.csv was refused: nothing was sent"],
    16: ["makers: customers.csv is not finished"],
    17: ["makers: customers.csv is complete now"],
    23: [f"makers: {ROWS} of {ROWS} rows failed in customers.csv"],
    27: [f"makers: {LATE}", f"checkers: {LATE}"],
}
CODES = {
    3: ExitCode.ROWS_NEED_A_LOOK,
    4: ExitCode.ROWS_NEED_A_LOOK,
    8: ExitCode.ROWS_NEED_A_LOOK,
    16: ExitCode.NOT_FINISHED,
    23: ExitCode.ROWS_NEED_A_LOOK,
}


def digest(day: int) -> str:
    """Return the subject of a day's digest."""
    brought = BROUGHT.get(day, FINE)
    files = f"{brought['file']} file{'' if brought['file'] == 1 else 's'}"
    return f"makers: {date(YEAR, MONTH, day)}: {files}, {brought['issued']} rows issued"


async def test_every_night_of_a_month_ends_right_and_tells_the_right_people(month: Month) -> None:
    sandbox = month.watched.world.sandbox
    for day in range(1, DAYS + 1):
        month.go_to(day, 2)
        prepare(month, day)
        result = await night(month, day)
        assert (day, result.exit_code) == (day, CODES.get(day, ExitCode.DONE))
        assert (day, sorted(month.heard())) == (day, sorted([digest(day), *TOLD.get(day, [])]))
        month.go_to(day, 8)
        if day not in {25, 26}:  # the checker is away
            sandbox.decide_all("rejected" if day == 22 else "approved")
    check_what_is_left(month)


def check_what_is_left(month: Month) -> None:
    """Each customer was sent once, each file is in its place as it was, and each is accounted for."""
    watched = month.watched
    sent = watched.sent()
    expected = {1_000 * day + n for day in range(1, DAYS + 1) for n in range(ROWS)} | {10_100, 10_101}
    assert (sent, len(set(sent))) == (sorted(expected), len(sent))
    placed = [path for path in (watched.path / "done").iterdir() if path.is_file()]
    contents = sorted(path.read_text() for path in placed)
    # the export of the 17th has replaced that of the 16th, which was all issued from its copy
    kept = [Month.rows(day) for day in range(1, DAYS + 1) if day != 16]
    assert contents == sorted([*kept, rows_of(10_100, 10_101)])
    for path in placed:
        lines = read_csv(path.with_name(f"{path.name}.reports") / "reconciliation.csv")
        assert len(lines) == len(path.read_text().splitlines()) - 1
    refused = {path.name for path in (watched.path / "refused").iterdir() if path.is_file()}
    assert refused == {"bad rows.csv", "no table.csv", "once more.csv"}
    assert {name for name in watched.files() if "/" not in name} == {"half.csv.part"}


def prepare(month: Month, day: int) -> None:
    """Let happen what the night has in store."""
    if day != 5:
        month.put(day)
    if day in SURPRISES:
        SURPRISES[day](month)


def put(name: str, content: str | bytes, *, age: float = 120) -> Callable[[Month], object]:
    return lambda month: month.watched.put(name, content, age=age)


def grow(month: Month) -> None:
    month.watched.put("growing.csv", rows_of(10_100), age=1)
    month.watched.put("half.csv.part", "customer_id,badge")


def cut_the_way(month: Month) -> None:
    month.relay.is_cut = True


def mend_the_way(month: Month) -> None:
    month.relay.is_cut = False


def lose_tokens(month: Month) -> None:
    month.watched.world.progress = ForgetsTokens(month.watched.world.sandbox)


def keep_tokens(month: Month) -> None:
    month.watched.world.progress = None


SURPRISES: dict[int, Callable[[Month], object]] = {
    3: put("bad rows.csv", rows_of(3_100, "1.13461E+08", 3_101)),
    4: put("no table.csv", b"%PDF-1.7 \x00\x01"),
    8: put("once more.csv", Month.rows(7)),
    10: grow,
    11: put("growing.csv", rows_of(10_100, 10_101)),
    16: cut_the_way,
    17: mend_the_way,
    19: lose_tokens,
    20: keep_tokens,
}


async def night(month: Month, day: int) -> PassResult:
    if day == 13:
        assert await month.die() == KILLED
        month.go_to(day, 2, 30)
    result = await month.work()
    if day == 5:
        month.go_to(day, 6)
        month.put(day)
        return await month.work()
    return result
