"""Whatever goes wrong, and wherever a process dies: no row is lost, and no badge is issued twice."""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import AlreadyIssued, UsageError
from batch_issuer.ledger import open_ledger
from batch_issuer.pipeline import decide, issue, refresh, resume, retry
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Credentials, Scenario
from batch_issuer.sandbox.faults import (
    AnswerInstead,
    DroppedConnection,
    EdgePage,
    EmptyAnswer,
    Fault,
    Method,
    Silence,
    TooManyRequests,
    TruncatedAnswer,
)
from batch_issuer.sandbox.records import State, Verdict
from tests.pipeline.machine import Death, End, Moment, MortalWorld, WatchedSandbox, WatchedTime
from tests.pipeline.world import BADGES, read_csv, summary_json

KNOWN = Credentials()
CHECKER = {
    "checker_username": KNOWN.checker_username,
    "checker_password": KNOWN.checker_password,
    "checker_ui_auth_token": KNOWN.checker_ui_token,
}
TIMEOUT, SHORT_TIMEOUT, SETTLE = 5.0, 0.1, 20.0
FAULTS: dict[Method, dict[str, Fault]] = {
    "POST": {
        "dropped before": DroppedConnection(after_accepting=False),
        "dropped after": DroppedConnection(after_accepting=True),
        "503 before": AnswerInstead(status=503),
        "503 after": AnswerInstead(status=503, after_accepting=True),
        "429": TooManyRequests(wait_seconds=1),
        "400": AnswerInstead(status=400),
        "413": AnswerInstead(status=413),
        "silent before": Silence(after_accepting=False),
        "silent after": Silence(after_accepting=True),
        "empty 200": EmptyAnswer(),
        "cut 200": TruncatedAnswer(),
        "200 of another": EdgePage(status=200, after_accepting=False),
    },
    "GET": {
        "503": AnswerInstead(status=503),
        "dropped": DroppedConnection(after_accepting=False),
        "cut": TruncatedAnswer(),
    },
    "PUT": {
        "dropped before": DroppedConnection(after_accepting=False),
        "dropped after": DroppedConnection(after_accepting=True),
        "503 after": AnswerInstead(status=503, after_accepting=True),
        "429": TooManyRequests(wait_seconds=1),
    },
}
LAGS = (0.0, 4.0, SETTLE + SHORT_TIMEOUT - 0.05)
"""How late the list shows a request: always less than the program waits for it."""
REFUSALS = {400, 413}
UNFINISHED = {"not_sent", "in_doubt"}
NEVER_ISSUED = {"not_sent", "failed", "rejected"}

LAST = {
    Moment.POST_ARRIVES: 4,
    Moment.POST_ANSWERED: 4,
    Moment.LIST_ARRIVES: 2,
    Moment.LIST_ANSWERED: 2,
    Moment.CLOCK_READ: 25,
    Moment.PROGRESS: 5,
    Moment.LOOP_TURN: 800,
}
"""The latest of such moments that a process may die at."""


@st.composite
def a_death(draw: st.DrawFn, moments: tuple[Moment, ...] = tuple(Moment)) -> Death:
    moment = draw(st.sampled_from(moments))
    return Death(end=draw(st.sampled_from(End)), moment=moment, count=draw(st.integers(1, LAST[moment])))


def some(method: Method, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(FAULTS[method])), max_size=most)


deaths = st.none() | a_death()
Work = Callable[[Services], Awaitable[Summary]]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One spreadsheet: its rows in order, from row 2 on."""

    path: Path
    rows: tuple[tuple[int, str], ...]


@cache
def empty_ledger() -> bytes:
    """Make a ledger once: making one takes longer than a whole command."""

    async def make(path: Path) -> None:
        async with open_ledger(f"sqlite:///{path}"):
            pass

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        asyncio.run(make(path))
        return path.read_bytes()


class AnythingGoesWrong(RuleBasedStateMachine):
    """Issues two files that share rows, with faults and deaths in between, and compares both accounts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.files: list[File] = []

    @initialize(
        rows=st.integers(6, 20),
        posts=some("POST", 4),
        death=st.none() | a_death((Moment.POST_ARRIVES, Moment.POST_ANSWERED)) | a_death(),
        others=st.integers(0, 6),
        badges=st.integers(1, 2),
        chunk_size=st.integers(2, 3),
        concurrency=st.sampled_from([1, 3]),
        max_attempts=st.integers(1, 5),
        lag=st.sampled_from(LAGS),
        fates=st.sampled_from(
            [
                {},
                {"decide_after_seconds": 0},
                {"decide_after_seconds": 30, "reject_share": 0.3},
                {"fail_share": 0.4, "holder_share": 0.1, "omit_share": 0.1},
            ]
        ),
    )
    def open_the_world(  # noqa: PLR0917 - hypothesis passes them by name
        self,
        rows: int,
        posts: list[str],
        death: Death | None,
        others: int,
        badges: int,
        chunk_size: int,
        concurrency: int,
        max_attempts: int,
        lag: float,
        fates: dict[str, Any],
    ) -> None:
        # In moved time a pause is over at once, also for exchanges of others that are under way: these would
        # take longer than any time-out. Where that matters there is one exchange at a time.
        overrides = {
            **CHECKER,
            "settle": SETTLE,
            "timeout": TIMEOUT,
            "chunk_size": chunk_size,
            "concurrency": 1 if lag > SETTLE / 2 else concurrency,
            "max_attempts": max_attempts,
        }
        self.lag = lag
        self.world = self.runner.run(
            self._open(Scenario(list_lag_seconds=lag, **fates), overrides, empty_ledger())
        )
        self.sandbox = self.world.sandbox
        first = [(700_000_001 + number, BADGES[number % badges]) for number in range(rows)]
        second = [*first[rows - others :], *((800_000_001 + n, BADGES[0]) for n in range(3))]
        self._write("first.csv", [*first, *first[:1]])
        self._write("second.csv", second)
        self._script(posts, [], [])
        self._issue(0, death)

    async def _open(self, scenario: Scenario, overrides: dict[str, Any], ledger: bytes) -> MortalWorld:
        time = WatchedTime()
        sandbox = WatchedSandbox(scenario=scenario, clock=time.seconds, sleep=time.sleep)
        await self.open.enter_async_context(sandbox)
        output = self.folder / "output"
        output.mkdir()
        (output / "ledger.db").write_bytes(ledger)
        return MortalWorld(sandbox=sandbox, output=output, folder=self.folder, time=time, overrides=overrides)

    def _write(self, name: str, rows: list[tuple[int, str]]) -> None:
        lines = "".join(f"{customer},{badge}\n" for customer, badge in rows)
        path = self.world.write(f"customer_id,badge_meta_id\n{lines}", name)
        self.files.append(File(path=path, rows=tuple(rows)))

    # What happens

    @rule(number=st.integers(0, 1), death=deaths)
    def issue(self, number: int, death: Death | None) -> None:
        self._issue(number, death)

    def _issue(self, number: int, death: Death | None) -> None:
        posts, is_known = self.sandbox.posts, self.files[number] in self._batches().values()
        try:
            self._live(lambda services: issue(services, self.files[number].path, IssueOptions()), death)
        except AlreadyIssued:
            assert is_known
            assert self.sandbox.posts == posts

    @precondition(lambda self: self._unfinished())
    @rule(death=deaths)
    def resume_the_latest(self, death: Death | None) -> None:
        self._resume(None, death)

    @precondition(lambda self: self._batches())
    @rule(number=st.integers(0, 1), death=deaths)
    def resume(self, number: int, death: Death | None) -> None:
        self._resume(self._batch(number), death)

    @precondition(lambda self: self._batches())
    @rule(number=st.integers(0, 1), death=deaths)
    def refresh(self, number: int, death: Death | None) -> None:
        posts, batch = self.sandbox.posts, self._batch(number)
        self._live(lambda services: refresh(services, batch), death)
        assert self.sandbox.posts == posts

    @precondition(lambda self: self._batches())
    @rule(number=st.integers(0, 1), death=deaths)
    def retry(self, number: int, death: Death | None) -> None:
        batch = self._batch(number)
        self._live(lambda services: retry(services, batch), death)

    @precondition(lambda self: self._batches())
    @rule(number=st.integers(0, 1), approve=st.booleans(), death=deaths)
    def decide(self, number: int, approve: bool, death: Death | None) -> None:  # noqa: FBT001 - by name
        batch = self._batch(number)
        self._live(lambda services: decide(services, batch, approve=approve, message="seen"), death)

    @rule(verdict=st.sampled_from(["approved", "rejected"]), every=st.integers(1, 3))
    def a_checker_decides_elsewhere(self, verdict: Verdict, every: int) -> None:
        waiting = [record for record in self.sandbox.requests if record.state is State.WAITING]
        for record in waiting[::every]:
            self.sandbox.decide(record.workflow_request_id, verdict)

    @rule(posts=some("POST", 6), reads=some("GET", 5), decisions=some("PUT", 3))
    def things_will_go_wrong(self, posts: list[str], reads: list[str], decisions: list[str]) -> None:
        self._script(posts, reads, decisions)

    @rule(seconds=st.sampled_from([1, 15, 40]))
    def time_goes_on(self, seconds: int) -> None:
        self.runner.run(self.world.time.sleep(seconds))

    # What must hold all the time

    @invariant()
    def nothing_is_issued_or_created_twice(self) -> None:
        truth = self.sandbox.truth()
        assert all(issued["times"] == 1 for issued in truth["issued"]), truth["issued"]
        assert all(times == 1 for times in truth["created"].values()), truth["created"]

    @invariant()
    def what_the_server_has_is_never_sent_again(self) -> None:
        assert not [post for post in self.sandbox.delivered if post.is_known]

    # How it is driven

    def _script(self, posts: list[str], reads: list[str], decisions: list[str]) -> None:
        if any("silent" in name for name in posts):
            self.world.overrides["timeout"] = SHORT_TIMEOUT
        scripts: dict[Method, list[str]] = {"POST": posts, "GET": reads, "PUT": decisions}
        for method, names in scripts.items():
            for name in names:
                self.sandbox.will(FAULTS[method][name], method=method)

    def _live(self, work: Work, death: Death | None = None) -> Summary | None:
        summary = self.runner.run(self.world.live(work, death))
        if summary is not None:
            self._compare(summary)
        return summary

    def _resume(self, batch: str | None, death: Death | None = None) -> Summary | None:
        try:
            return self._live(lambda services: resume(services, batch), death)
        except UsageError:
            assert batch is None
            assert not self._unfinished()
        except AlreadyIssued:  # it was cut off before it was accepted, and its file was issued once more
            assert self._batches()
        return None

    def _query(self, question: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.world.output / "ledger.db")) as ledger:
            return ledger.execute(question).fetchall()

    def _batches(self) -> dict[str, File]:
        """Say which batches were accepted, and of which file each is."""
        found = self._query("select batch, input_name from batches where stage = 'accepted' order by batch")
        files = {file.path.name: file for file in self.files}
        return {batch: files[name] for batch, name in found}

    def _unfinished(self) -> list[str]:
        """Name the batches that were not accepted to the end, or not sent to the end."""
        recording = self._query("select batch from batches where stage = 'recording'")
        stages = "('not_sent', 'sending', 'in_doubt')"
        sending = self._query(f"select distinct batch from requests where stage in {stages}")  # noqa: S608 - ours
        return sorted({batch for (batch,) in [*recording, *sending]})

    def _batch(self, number: int) -> str:
        batches = list(self._batches())
        return batches[number % len(batches)]

    # What the files say

    def _compare(self, summary: Summary) -> None:
        """Compare files that were just written with the server's own account."""
        file = self._batches()[summary.batch.batch]
        lines = read_csv(summary.folder / "reconciliation.csv")
        assert [int(line["row"]) for line in lines] == list(range(2, len(file.rows) + 2))
        assert [(int(ln["customer_id"]), ln["badge_meta_id"]) for ln in lines] == list(file.rows)
        told = summary_json(summary)
        counts = Counter(line["outcome"] for line in lines)
        assert told["totals"] == {"rows_in": len(lines), "rows_out": len(lines), "balanced": True}
        assert {word: count for word, count in told["counts"].items() if count} == counts
        assert (summary.exit_code is ExitCode.NOT_FINISHED) >= bool(UNFINISHED & counts.keys())
        for line in lines:
            self._check(line, summary.batch.batch)

    def _check(self, line: dict[str, str], batch: str) -> None:
        """Check that a line claims nothing that the server knows better."""
        issued = {
            result["issued_id"]
            for record in self._records(batch, line)
            for result in record["results"]
            if str(result["customer_id"]) == line["customer_id"] and result["result"] == "issued"
        }
        if line["outcome"] == "issued":
            assert {line["issued_id"]} == issued
        else:
            assert not line["issued_id"]
        if line["outcome"] in NEVER_ISSUED:
            assert not issued, line
        if line["outcome"] in NEVER_ISSUED and not line["workflow_request_id"]:
            assert line["request_id"] not in self.sandbox.truth()["created"]

    def _records(self, batch: str, line: dict[str, str]) -> list[dict[str, Any]]:
        """Give what the server has of a row of a batch, in order of acceptance."""
        return [
            record
            for record in self.sandbox.truth()["requests"]
            if record["request_id"].startswith(batch)
            and record["badge_meta_id"] == line["badge_meta_id"]
            and int(line["customer_id"]) in record["customers"]
        ]

    # How it ends

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and self.files:
                self._finish()
        finally:
            self.runner.run(self.open.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)

    def _finish(self) -> None:
        """Let nothing more go wrong, and compare both accounts row by row."""
        self.sandbox.forget_faults()
        self.world.overrides |= {"timeout": TIMEOUT, "max_attempts": 5}
        for _ in range(20):
            if not (unfinished := self._unfinished()):
                break
            self._resume(unfinished[0])
        assert not self._unfinished()
        issued = self._batches()
        for file in self.files:
            if file not in issued.values():
                self._live(lambda services, path=file.path: issue(services, path, IssueOptions()))  # type: ignore[misc]
        self.sandbox.decide_all("approved")
        self.time_goes_on(int(self.lag) + 60)
        assert set(self._batches().values()) == set(self.files)
        for batch in self._batches():
            summary = self._live(lambda services, batch=batch: refresh(services, batch))  # type: ignore[misc]
            assert summary is not None
            for line in read_csv(summary.folder / "reconciliation.csv"):
                told = line["outcome"], line["issued_id"]
                expected = list(self._expected(line, batch))
                assert told in expected, (line, expected)
        self.nothing_is_issued_or_created_twice()
        self.what_the_server_has_is_never_sent_again()

    def _expected(self, line: dict[str, str], batch: str) -> Iterator[tuple[str, str]]:
        """Say what a line must tell, from the server's side alone; a row that another carries is named so."""
        row, pair = int(line["row"]) - 2, (int(line["customer_id"]), line["badge_meta_id"])
        batches = self._batches()
        records = self._records(batch, line)
        if pair in batches[batch].rows[:row]:
            yield "duplicate", ""
        elif records:
            results = {result["customer_id"]: result for result in records[-1]["results"]}
            yield _word(records[-1]["state"], results.get(pair[0]))
        elif any(pair in file.rows for other, file in batches.items() if other != batch):
            yield "already_issued", ""
        posts = [post for post in self.sandbox.delivered if post.request_id == line["request_id"]]
        if not records and posts and posts[-1].status in REFUSALS:
            yield "failed", ""


def _word(state: str, result: dict[str, str] | None) -> tuple[str, str]:
    match state, result:
        case (("rejected" | "failed"), _):
            return state, ""
        case "approved", {"result": "issued", "issued_id": issued_id}:
            return "issued", issued_id
        case "approved", {"result": "held"}:
            return "issue_failed", ""
        case "approved", _:
            return "unaccounted", ""
        case _:
            return "pending", ""


def test_no_row_is_lost_and_no_badge_issued_twice_whatever_goes_wrong_and_whenever() -> None:
    run_state_machine_as_test(
        AnythingGoesWrong,
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
