"""Several programs on one file: each gets its turn, whoever writes much and whoever is closing."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from sqlalchemy import Connection

from batch_issuer.ledger import open_ledger
from batch_issuer.ledger.batches import insert_batch
from tests.conftest import ledger_at, make_batch, records_of

BLOCKS = 10
REQUESTS = 150
RECORDING = f"""
import asyncio, sys, time
import numpy as np
from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.requests import Group, IssueRequest
from batch_issuer.ledger import open_ledger
from batch_issuer.ledger.requests import insert_requests
from tests.conftest import BADGE, BATCH

CUSTOMERS, ROWS = np.arange(2_000, dtype=np.int64), np.arange(2_000, dtype=np.uint32)

def make_block(first):
    return [
        IssueRequest(
            request_id=RequestId(f"{{BATCH}}-{{chunk:016x}}"), chunk=chunk, group=Group(badge_meta_id=BADGE),
            customers=CUSTOMERS, rows=ROWS,
        )
        for chunk in range(first, first + {REQUESTS})
    ]

async def record(ledger, first):
    blocks = [make_block(block * {REQUESTS}) for block in range(first, first + {BLOCKS})]
    began = time.perf_counter()
    for block in blocks:
        await ledger.write_block(insert_requests, BATCH, block)
    print(time.perf_counter() - began, flush=True)

async def main():
    async with open_ledger(sys.argv[1]) as ledger:
        for run in range(2):
            await asyncio.to_thread(sys.stdin.readline)
            await record(ledger, run * {BLOCKS})

asyncio.run(main())
"""


def write_little(connection: Connection, number: int) -> None:
    connection.exec_driver_sql("update batches set name = ?", (str(number),))


class Recorder:
    """Another process that records blocks of 3.6 MB, as often as it is told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def record(self) -> float:
        """Record all blocks once; return the seconds that took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return float(await self._process.stdout.readline())


@asynccontextmanager
async def open_recorder(path: Path) -> AsyncIterator[Recorder]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RECORDING, f"sqlite:///{path}", stdin=pipe, stdout=pipe
    )
    try:
        yield Recorder(process)
    finally:
        await process.communicate(b"\n\n")


async def test_small_writes_are_let_in_while_another_process_records_a_large_batch(ledger_path: Path) -> None:
    waits: list[float] = []
    async with ledger_at(ledger_path) as ledger:
        await ledger.write(insert_batch, make_batch())
        async with open_recorder(ledger_path) as recorder:
            alone = await recorder.record()
            recording = asyncio.create_task(recorder.record())
            while not recording.done():
                began = perf_counter()
                await ledger.write(write_little, len(waits))
                waits.append(perf_counter() - began)
                await asyncio.sleep(0.005)
            beside = await recording
        assert len(await records_of(ledger)) == 2 * BLOCKS * REQUESTS
    assert max(waits) < 1
    assert len(waits) >= BLOCKS  # one in each gap at least
    # a small write takes a few milliseconds of each gap; the rest is what a busy machine may add
    assert beside < 3 * alone + 0.3


async def test_a_program_that_opens_a_ledger_waits_for_one_that_is_closing_it(ledger_path: Path) -> None:
    async with ledger_at(ledger_path):
        pass
    closing = sqlite3.connect(ledger_path, isolation_level=None, check_same_thread=False)
    closing.execute("pragma locking_mode=exclusive")  # as the last user does while it writes the log home
    closing.execute("begin exclusive")
    release = threading.Timer(0.06, closing.close)
    release.start()
    try:
        async with open_ledger(f"sqlite:///{ledger_path}") as ledger:
            assert await records_of(ledger) == []
    finally:
        release.join()
