"""What the submission is measured beside: others that send the same bodies to the same server."""

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import requests as requests_library

from batch_issuer.batch.requests import IssueRequest
from batch_issuer.gateway import InnerCall
from batch_issuer.gateway.wire import issue_badge_body

PATH: Final = "/v2/api_gateway/v2/request-workflow/ISSUE-BADGE"
HEADERS: Final = {
    "Authorization": "Basic " + base64.b64encode(b"u:p").decode(),
    "X-CAP-API-AUTH-ORG-ID": "1",
    "Content-Type": "application/json",
    "Accept": "application/json",
}
_TIMEOUT: Final = 30.0


async def bare_pool(
    url: str, requests: Sequence[IssueRequest], inner: InnerCall, *, concurrency: int
) -> None:
    """Send with aiohttp and nothing else: no ledger, no pace, no decision; answers are read and dropped."""
    todo = iter(requests)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
    ) as session:

        async def work() -> None:
            for request in todo:
                body = issue_badge_body(request, inner)
                async with session.post(url + PATH, data=body, headers=HEADERS) as response:
                    orjson.loads(await response.read())

        await asyncio.gather(*(work() for _ in range(concurrency)))


def requests_loop(url: str, requests: Sequence[IssueRequest], inner: InnerCall) -> None:
    """Send one after another with the library that most scripts use."""
    with requests_library.Session() as session:
        for request in requests:
            body = issue_badge_body(request, inner)
            session.post(url + PATH, data=body, headers=HEADERS, timeout=_TIMEOUT).json()


async def cookbook_script(
    url: str, requests: Sequence[IssueRequest], inner: InnerCall, *, results: Path, rate: float = 1e9
) -> None:
    """Send as the scripts do that are passed around for bulk calls under a rate limit.

    One loop looks a thousand times a second whether the budget allows one more call, starts a task for it,
    and each answer is appended to a file. Written for this comparison; no one's code.
    """
    bodies = iter([issue_badge_body(request, inner) for request in requests])
    budget, looked_at = rate / 60, time.monotonic()
    tasks: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession() as session:
        for body in bodies:
            while True:
                now = time.monotonic()
                budget, looked_at = min(budget + rate / 60 * (now - looked_at), rate / 60), now
                await asyncio.sleep(0.001)
                if budget >= 1:
                    break
            budget -= 1
            task = asyncio.create_task(_call_and_append(session, url, json.loads(body), results))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)


async def _call_and_append(session: aiohttp.ClientSession, url: str, body: Any, results: Path) -> None:  # noqa: ANN401 - any JSON
    async with session.post(url + PATH, json=body, headers=HEADERS) as response:
        answer = await response.json()
    with results.open("a") as file:
        file.write(json.dumps([body, answer]) + "\n")
