"""The API does what its own document says, whatever is sent to it: schemathesis holds it to that."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from batch_issuer.accounts import Role
from batch_issuer.web.api.bodies import CSV, XLSX
from tests.pipeline.world import customers, open_world
from tests.web.callers import caller
from tests.web.site import open_site

SHEETS = st.builds(customers, st.integers(1, 5), first=st.integers(1, 10**9)) | st.text(max_size=80)
CHECKS = {
    # what a file holds, and how a batch stands, no schema can say: 422 tells that
    "positive_data_acceptance": {"expected-statuses": ["2xx", "403", "404", "409", "422", "429"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A console that other threads can ask."""

    url: str
    token: str
    batch: str
    run: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve a console from a thread of its own, with a batch in it."""
    opened: Future[Served] = Future()
    closing = threading.Event()

    async def serve() -> None:
        async with open_world(folder) as world, open_site(world.settings(), world.time.clock()) as site:
            system = await caller(site, Role.MAKER, Role.CHECKER, user="system", days=365)
            ended = await system.ended(await system.create("customer_id,badge_meta_id\n7,0123456789abcdef01234567\nx,\n", on_invalid="skip", max_invalid="50%"))
            token = system.http.headers["Authorization"].removeprefix("Bearer ")
            opened.set_result(Served(url=site.url, token=token, batch=ended["batch"], run=ended["run"]))
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


async def document(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/openapi.json") as answer:
        found: dict[str, Any] = await answer.json()
        return found


def with_examples(found: dict[str, Any], console: Served) -> dict[str, Any]:
    """Name what is there, so that not all that is asked for is unknown."""
    known = {"batch": console.batch, "run": console.run, "name": "reconciliation.csv"}
    for operations in found["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["example"] = known[parameter["name"]]
    return found


def test_nothing_that_is_sent_makes_the_api_break_its_word(tmp_path: Path) -> None:
    schemathesis.openapi.media_type(CSV, SHEETS.map(str.encode))
    schemathesis.openapi.media_type(XLSX, SHEETS.map(str.encode))
    with served(tmp_path) as console:
        config = SchemathesisConfig.from_dict(
            {
                "seed": 1,
                "headers": {"Authorization": f"Bearer {console.token}"},
                "generation": {"max-examples": 20, "deterministic": True, "database": "none"},
                "checks": CHECKS,
                "continue-on-failure": True,
                "cache": {"enabled": False},
                "phases": {"stateful": {"generation": {"max-examples": 10}}},
            }
        )
        found = with_examples(asyncio.run(document(console.url)), console)
        schema = schemathesis.openapi.from_dict(found, config=config)
        schema.config.base_url = console.url
        failures = []
        for event in from_schema(schema).execute():
            print(event.__class__.__name__, getattr(event, "phase", ""), getattr(event, "status", ""), getattr(event, "label", ""))
            if isinstance(event, events.ScenarioFinished):
                for case, checks in event.recorder.checks.items():
                    for check in checks:
                        if check.status is Status.FAILURE:
                            print("FAIL", check.name, check.failure_info.failure.message[:600], check.failure_info.code_sample)
                            failures.append(check)
            if isinstance(event, (events.NonFatalError, events.FatalError)):
                print(event)
    assert not failures
