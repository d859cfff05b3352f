"""Work that comes to its end, whoever waits for it."""

import asyncio

import pytest

from batch_issuer.tasks import Certain, see_through


async def test_work_is_finished_although_its_caller_is_cancelled() -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        done.set()

    calling = asyncio.create_task(see_through(work()))
    await begun.wait()
    calling.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert done.is_set()


async def test_who_waits_for_a_certain_result_gets_it() -> None:
    result = Certain[int]()
    asyncio.get_running_loop().call_soon(result.set_result, 7)
    assert await result == 7


async def test_who_is_cancelled_waits_for_a_certain_result_first() -> None:
    result = Certain[None]()

    async def wait() -> None:
        await result

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    result.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_certain_result_can_be_a_failure() -> None:
    result = Certain[None]()
    asyncio.get_running_loop().call_soon(result.set_exception, OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await result
