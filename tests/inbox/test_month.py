"""A month of nights: whatever happens, every night ends right, and the right people hear what they must."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
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
from tests.pipeline.world import open_world

YEAR, MONTH, DAYS = 2026, 3, 30
ROWS = 7
BEGIN = {"client_key": "maker-key", "client_secret": "maker-secret"}


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
    told: dict[int, list[str]] = field(default_factory=dict)

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
        settings = {**world.settings().public(), **BEGIN, **secret, "password": "maker-password"}
        settings |= {"ui_auth_token": "maker.ui.token", "intouch_authorization": "Basic aW5uZXI6Y2FsbA=="}
        settings |= {"username": "maker.till", "output": str(world.output)}
        facts = {"settings": settings, "folder": str(self.watched.path), "changes": 1}
        facts["instant"] = world.time.instant.isoformat()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.inbox.crash", json.dumps(facts)
        )
        return await process.wait()

    def heard(self, day: int) -> list[str]:
        """Return what makers and checkers were told since the last time, and keep it for that day."""
        told = [f"makers: {one}" for one in self.makers.subjects()]
        told += [f"checkers: {one}" for one in self.checkers.subjects()]
        self.makers.told.clear()
        self.checkers.told.clear()
        self.told[day] = told
        return told


@pytest.fixture
async def month(tmp_path: Path) -> AsyncIterator[Month]:
    scenario = Scenario(auth="oauth")
    async with (
        open_webhook() as makers,
        open_webhook() as checkers,
        open_world(tmp_path, scenario, **BEGIN, intouch_authorization="Basic aW5uZXI6Y2FsbA==") as world,
        open_relay(world.sandbox.url) as relay,
    ):
        world.overrides |= {
            "base_url": relay.url,
            "notify": makers.address(),
            "notify_checkers": checkers.address(),
            "notify_no_file_by": "01:30",
            "notify_digest_at": "01:00",
            "rate": 100,
        }
        path = tmp_path / "inbox"
        path.mkdir()
        watched = Watched(world=world, path=path)
        yield Month(watched=watched, relay=relay, makers=makers, checkers=checkers)


def digest(day: int, files: int, issued: int) -> str:
    when = date(YEAR, MONTH, day).isoformat()
    if not files:
        return f"makers: {when}: nothing happened"
    return f"makers: {when}: {files} file{'' if files == 1 else 's'}, {issued} rows issued"


async def test_every_night_of_a_month_ends_right_and_tells_the_right_people(month: Month) -> None:
    watched, sandbox = month.watched, month.watched.world.sandbox
    results: dict[int, PassResult] = {}
    for day in range(1, DAYS + 1):
        month.go_to(day, 2)
        await prepare(month, day)
        results[day] = await night(month, day)
        month.heard(day)
        month.go_to(day, 8)
        if day not in {25, 26}:  # the checker is away
            sandbox.decide_all("rejected" if day == 22 else "approved")
    print_told(month)
    assert {day: heard for day, heard in month.told.items() if heard != month.told[1]} == {}


def print_told(month: Month) -> None:
    for day, heard in month.told.items():
        print(day, heard)


async def prepare(month: Month, day: int) -> None:
    watched = month.watched
    if day != 5:
        month.put(day)
    match day:
        case 3:
            watched.put("bad rows.csv", rows_of(3_100, "1.13461E+08", 3_101))
        case 4:
            watched.put("no table.csv", b"%PDF-1.7 \x00\x01")
        case 8:
            watched.put("once more.csv", month.rows(7))
        case 10:
            watched.put("growing.csv", rows_of(10_100), age=1)
            watched.put("half.csv.part", "customer_id,badge")
        case 11:
            watched.put("growing.csv", rows_of(10_100, 10_101))
        case 16:
            month.relay.is_cut = True
        case 17:
            month.relay.is_cut = False
        case 19:
            watched.world.progress = ForgetsTokens(watched.world.sandbox)
        case 20:
            watched.world.progress = None


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
