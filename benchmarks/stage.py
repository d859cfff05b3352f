"""What benchmarks share: settings for a server on this machine, and what sends a file to it."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from batch_issuer.acceptance import Accepted, IssueOptions, accept
from batch_issuer.assembly import Api, Services, open_api, open_services
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.cli.running import new_event_loop
from batch_issuer.clock import Clock
from batch_issuer.gateway import Access, InnerCall, sending_access
from batch_issuer.ledger.unsent import unsent_requests
from batch_issuer.sending import submit
from batch_issuer.settings import Settings

T = TypeVar("T")

ROOT: Final = Path(__file__).parent.parent
COMMAND: Final = (sys.executable, "-m", "batch_issuer")
ENTITY: Final = ("org_id", "till_id", "store_id", "zone_id", "concept_id")
NOWHERE: Final = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything open that issuing a file takes."""

    services: Services
    api: Api
    access: Access
    inner: InnerCall

    async def accept(self, file: Path) -> Accepted:
        """Accept a file, once more if need be."""
        options = IssueOptions(check_badges=False, again=True)
        return await accept(self.services, file, options, self.access)

    def unsent(self, accepted: Accepted) -> list[IssueRequest]:
        """Return all requests of a batch that is not sent."""
        with self.services.ledger.snapshot() as connection:
            found = unsent_requests(connection, accepted.batch.batch, (0, "", 0), accepted.batch.rows)
        return [unsent.request for unsent in found]

    async def submit(self, accepted: Accepted) -> None:
        """Send a batch, as every command does."""
        async with self.services.lease(accepted.batch.batch) as lease:
            stop = await submit(self.api, accepted.batch, self.inner, lease)
        if stop is not None:
            raise RuntimeError(f"the batch stopped: {stop.message}")


def settings_for(url: str, folder: Path, **options: object) -> Settings:
    """Return settings for a server, with a ledger and an output folder of their own."""
    given = dict.fromkeys(ENTITY, "1")
    return Settings.model_validate(
        {"base_url": url, "username": "u", "password": "p", "output": folder, **given, **options}
    )


@asynccontextmanager
async def open_stage(settings: Settings) -> AsyncIterator[Stage]:
    """Open services and the way to the API."""
    access, inner = sending_access(settings)
    async with (
        open_services(settings, clock=Clock(), stopping=asyncio.Event()) as services,
        open_api(services, access) as api,
    ):
        yield Stage(services=services, api=api, access=access, inner=inner)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run some work as a command does: on the same event loop, with the same care of memory."""
    gc.freeze()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def environment(settings: Settings | None = None) -> dict[str, str]:
    """Return the environment of a command that issues with some settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BATCH_ISSUER_")}
    clean["PYTHONPATH"] = str(ROOT)
    if settings is None:
        return clean
    given = {name: getattr(settings, name) for name in ("base_url", "username", "output", *ENTITY)}
    given |= {"password": "p", "rate": settings.rate, "concurrency": settings.concurrency}
    return clean | {f"BATCH_ISSUER_{name.upper()}": str(value) for name, value in given.items()}


def run_command(*arguments: str, settings: Settings | None = None) -> None:
    """Run the command and wait for its end."""
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment(settings))
