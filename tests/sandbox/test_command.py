"""The command hands its options on to the scenario."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from batch_issuer.sandbox import Sandbox, Scenario

from .api import Api

COMMAND = (sys.executable, "-m", "batch_issuer", "sandbox", "--port", "0")
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[str]:
    """Give the address of a sandbox in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", (await process.stdout.readline()).decode())
        assert found
        yield found[0]
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


class Address(Sandbox):
    """A sandbox that runs elsewhere."""

    def __init__(self, url: str) -> None:
        super().__init__(scenario=Scenario())
        self._elsewhere_url = url

    @property
    def url(self) -> str:
        return self._elsewhere_url


async def test_the_lies_are_options() -> None:
    lies = ("--twice-share", "1", "--max-customers", "2", "--list-lag", "3600", "--list-shift", "miss")
    async with (
        running(*lies, "--fault-share", "0", "--fault-seconds", "0.1") as url,
        aiohttp.ClientSession() as session,
    ):
        api = Api(Address(url), session)
        statuses = [(await api.submit(*customers)).status for customers in ((1, 2, 3), (1, 2))]
        listed = await api.list()
        decided = await api.call(
            "POST", "/sandbox/decide-all", headers={}, body=json.dumps({"verdict": "approved"}).encode()
        )
        truth = (await api.call("GET", "/sandbox/truth", headers={})).document

    assert statuses == [413, 200]
    assert listed.data == []
    assert len(decided.document["decided"]) == 2
    assert list(truth["created"].values()) == [2]
    assert {one["times"] for one in truth["issued"]} == {1}


def test_shares_that_are_too_much_together_are_wrong_usage() -> None:
    done = subprocess.run(
        [*COMMAND, "--fault-share", "0.7", "--twice-share", "0.7"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert "the shares of calls" in done.stderr
    assert "Traceback" not in done.stderr
