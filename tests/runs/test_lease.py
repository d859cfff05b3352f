"""One server does the background work of a ledger."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_issuer.errors import ConsoleInUse
from batch_issuer.ledger.records import Records, open_records
from batch_issuer.processes import this_process
from batch_issuer.runs.lease import only_console
from tests.conftest import FakeClock
from tests.runs.world import elsewhere


@pytest.fixture
async def records(ledger_path: Path, time: FakeClock) -> AsyncIterator[Records]:
    async with open_records(f"sqlite:///{ledger_path}", time.clock) as opened:
        yield opened


async def test_a_living_server_of_another_container_is_respected(records: Records, time: FakeClock) -> None:
    async with only_console(records, process=elsewhere(this_process()), clock=time.clock) as lease:

        async def sleep(seconds: float) -> None:
            await time.sleep(seconds)
            await lease.renew()

        with pytest.raises(ConsoleInUse, match="serves the console"):
            async with only_console(records, process=this_process(), clock=replace(time.clock, sleep=sleep)):
                pass
    assert sum(time.slept) < 60


async def test_a_server_that_is_known_to_run_is_respected_at_once(records: Records, time: FakeClock) -> None:
    async with only_console(records, process=this_process(), clock=time.clock):
        with pytest.raises(ConsoleInUse):
            async with only_console(records, process=this_process(), clock=time.clock):
                pass
    assert time.slept == []


async def test_a_dead_server_of_this_machine_is_replaced_at_once(records: Records, time: FakeClock) -> None:
    dead = replace(this_process(), pid=2**30)
    holding = only_console(records, process=dead, clock=time.clock)
    await holding.__aenter__()
    async with only_console(records, process=this_process(), clock=time.clock):
        assert time.slept == []
    await holding.__aexit__(None, None, None)
    await asyncio.sleep(0)
