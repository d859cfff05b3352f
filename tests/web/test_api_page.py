"""The page on the API is true: its commands run as they stand there, and it names all there is."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

from batch_issuer.accounts import Role
from batch_issuer.web.api.creating import IssueQuery
from batch_issuer.web.api.routes import OPERATIONS
from tests.pipeline.world import World, customers
from tests.web.callers import caller
from tests.web.site import Site

PAGE = (Path(__file__).parent.parent.parent / "docs" / "reference" / "api.md").read_text()


async def shell(script: str, folder: Path, **variables: str) -> str:
    """Run a block of the page."""
    running = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate()
    assert running.returncode == 0, out.decode() + err.decode()
    return out.decode()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


async def test_the_commands_of_the_page_work_in_their_order(site: Site, world: World) -> None:
    system = await caller(site, Role.MAKER, user="shop")
    world.write(customers(5) + "x,y\n")
    token = system.http.headers["Authorization"].removeprefix("Bearer ")
    send, ask, read = blocks("sh")
    known = {"CONSOLE": site.url, "TOKEN": token}
    started: dict[str, Any] = json.loads(await shell(send, world.folder, **known))
    (shown,) = (json.loads(block) for block in blocks("json"))
    assert started.keys() == shown.keys()
    await site.console.runs.wait(started["run"])
    ended = json.loads(await shell(ask, world.folder, **known, RUN=started["run"]))
    assert (ended["state"], ended["exit_code"]) == ("ended", 3)
    told = await shell(read, world.folder, **known, BATCH=ended["batch"])
    batch, rows = (json.loads(line) for line in told.replace("}{", "}\n{").splitlines())
    assert (batch["name"], [row["row"] for row in rows["rows"]]) == ("shop, 2 March", [7])
    written = (world.output / ended["batch"] / "reconciliation.csv").read_bytes()
    assert (world.folder / "reconciliation.csv").read_bytes() == written


def test_the_page_names_every_operation_option_and_refusal() -> None:
    for operation in OPERATIONS:
        assert f"| `{operation.method} {operation.path}` |" in PAGE
        for status in operation.problems:
            assert re.search(rf"^\| .*\b{status}\b.* \|", PAGE, re.MULTILINE), status
    assert all(f"`{name}`" in PAGE for name in IssueQuery.model_fields)
