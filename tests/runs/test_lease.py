"""One server does the background work of a ledger."""

import asyncio
from dataclasses import replace

import pytest

from batch_issuer.errors import ConsoleInUse
from batch_issuer.ledger import Ledger
from batch_issuer.processes import this_process
from batch_issuer.runs.lease import only_console
from tests.conftest import FakeClock
from tests.runs.world import elsewhere


async def test_a_living_server_of_another_container_is_respected(ledger: Ledger, time: FakeClock) -> None:
    async with only_console(ledger, process=elsewhere(this_process()), clock=time.clock) as lease:

        async def sleep(seconds: float) -> None:
            await time.sleep(seconds)
            await lease.renew()

        with pytest.raises(ConsoleInUse, match="serves the console"):
            async with only_console(
                ledger, process=this_process(), clock=replace(time.clock, sleep=sleep)
            ):
                pass
    assert sum(time.slept) < 60


async def test_a_server_that_is_known_to_run_is_respected_at_once(ledger: Ledger, time: FakeClock) -> None:
    async with only_console(ledger, process=this_process(), clock=time.clock):
        with pytest.raises(ConsoleInUse):
            async with only_console(ledger, process=this_process(), clock=time.clock):
                pass
    assert time.slept == []


async def test_a_dead_server_of_this_machine_is_replaced_at_once(ledger: Ledger, time: FakeClock) -> None:
    dead = replace(this_process(), pid=2**30)
    holding = only_console(ledger, process=dead, clock=time.clock)
    await holding.__aenter__()
    async with only_console(ledger, process=this_process(), clock=time.clock):
        assert time.slept == []
    await holding.__aexit__(None, None, None)
    await asyncio.sleep(0)
