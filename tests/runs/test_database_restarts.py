"""A database server that is restarted while a run works does not end the run."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.processes import this_process
from tests.pipeline.world import customers
from tests.postgresql import PostgresServer
from tests.runs.world import finished, open_console, until

pytestmark = pytest.mark.postgres


async def test_a_run_goes_on_after_its_database_server_was_restarted(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    ledger = postgres_server.new_database()
    async with open_console(tmp_path, ledger=ledger, concurrency=2, timeout=5, settle=0.5) as world:
        async with world.server(this_process()) as runs:
            run = await world.issue_upload(runs, world.write(customers(60)))
            await until(lambda: world.sandbox.posts >= 4)
            await asyncio.to_thread(postgres_server.restart)
            ended = await finished(runs, run)
            assert (ended.exit_code, ended.message) == (ExitCode.DONE, "")
        counted = Counter(customer for one in world.sandbox.requests for customer in one.customers)
        assert set(counted.values()) == {1}
    assert Counter(line["outcome"] for line in world.lines()) == {"pending": 60}
