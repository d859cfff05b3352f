"""The API does what its own document says, whatever is sent to it: schemathesis holds it to that."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from batch_issuer.accounts import Role
from batch_issuer.intake.workbooks.template import template_workbook
from batch_issuer.web.api.bodies import CSV, XLSX
from batch_issuer.web.api.routes import OPERATIONS
from tests.pipeline.world import customers, open_world
from tests.web.callers import caller
from tests.web.site import open_site

SHEETS = st.builds(customers, st.integers(1, 5), first=st.integers(1, 10**9)) | st.text(max_size=80)
CHECKS = {
    # what a file holds, and how a batch stands, no schema can say: 422 tells that
    "positive_data_acceptance": {"expected-statuses": ["2xx", "403", "404", "409", "422"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A console that other threads can ask."""

    url: str
    token: str
    batch: str
    of_another: str
    """The batch of another user: who made one can't decide it."""
    run: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve a console from a thread of its own, with a batch in it."""
    opened: Future[Served] = Future()
    closing = threading.Event()

    async def serve() -> None:
        async with open_world(folder) as world, open_site(world.settings(), world.time.clock()) as site:
            system = await caller(site, Role.MAKER, Role.CHECKER, user="system", days=365)
            other = await caller(site, Role.MAKER, user="another")
            ended = await system.ended(await system.create(customers(3)))
            of_another = await other.issued(customers(3, first=800_000_001))
            token = system.http.headers["Authorization"].removeprefix("Bearer ")
            opened.set_result(
                Served(
                    url=site.url, token=token, batch=ended["batch"], of_another=of_another, run=ended["run"]
                )
            )
            await asyncio.to_thread(closing.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as exc:
            if not opened.done():
                opened.set_exception(exc)
            raise

    thread = threading.Thread(target=run, name="console")
    thread.start()
    try:
        yield opened.result(timeout=60)
    finally:
        closing.set()
        thread.join()


async def document_of(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/openapi.json") as answer:
        found: dict[str, Any] = await answer.json()
        return found


def with_examples(found: dict[str, Any], console: Served) -> dict[str, Any]:
    """Name what is there, so that not all that is asked for is unknown."""
    known = {"batch": console.batch, "run": console.run, "name": "reconciliation.csv"}
    for path, operations in found["paths"].items():
        is_decision = path.endswith(("/approve", "/reject"))
        known["batch"] = console.of_another if is_decision else console.batch
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["example"] = known[parameter["name"]]
    return found


def configured(console: Served) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "base-url": console.url,
            "headers": {"Authorization": f"Bearer {console.token}"},
            "generation": {"max-examples": 15, "deterministic": True, "database": "none"},
            "checks": CHECKS,
            "continue-on-failure": True,
            "cache": {"enabled": False},
            "phases": {"stateful": {"generation": {"max-examples": 10}}},
        }
    )


@dataclass(slots=True, kw_only=True)
class Found:
    """What the engine of schemathesis found."""

    failures: list[str] = field(default_factory=list)
    answers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By operation, the statuses that came."""
    phases: dict[str, Status] = field(default_factory=dict)

    def take(self, event: events.EngineEvent) -> None:
        match event:
            case events.ScenarioFinished(recorder=recorder):
                self._take(recorder)
            case events.PhaseFinished(phase=phase, status=status):
                self.phases[phase.name.value] = status
            case events.NonFatalError(value=error) | events.FatalError(exception=error):
                self.failures.append(repr(error))
            case _:
                pass

    def _take(self, recorder: ScenarioRecorder) -> None:
        for case_id, checks in recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    told, answer = check.failure_info, recorder.interactions[case_id].response
                    status = "no answer" if answer is None else f"{answer.status_code} {answer.text[:300]}"
                    self.failures.append(
                        f"{check.name}: {told.failure.message}: {status}\n{told.code_sample}"
                    )
        for case_id, interaction in recorder.interactions.items():
            if interaction.response is not None:
                operation = recorder.cases[case_id].value.operation
                self.answers[operation.label].add(interaction.response.status_code)


def test_nothing_that_is_sent_makes_the_api_break_its_word(tmp_path: Path) -> None:
    schemathesis.openapi.media_type(CSV, SHEETS.map(str.encode))
    schemathesis.openapi.media_type(XLSX, st.sampled_from([template_workbook(), b"PK", b"no workbook"]))
    found = Found()
    with served(tmp_path) as console:
        document = with_examples(asyncio.run(document_of(console.url)), console)
        schema = schemathesis.openapi.from_dict(document, config=configured(console))
        for event in from_schema(schema).execute():
            found.take(event)
    assert not found.failures, "\n\n".join(found.failures)
    for phase in ("examples", "coverage", "fuzzing", "stateful"):
        assert found.phases[phase] is Status.SUCCESS, phase
    for operation in OPERATIONS:
        answers = found.answers[f"{operation.method} {operation.path}"]
        assert {told.status for told in operation.told} & answers, (operation.name, answers)
