"""Who opens and closes what: the ledger and its journal, and the way to the API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from batch_issuer.batch.ids import BatchId
from batch_issuer.clock import Clock
from batch_issuer.engine import Engine, Sizes
from batch_issuer.gateway import Access, Client, InnerCall, open_client
from batch_issuer.ledger import Journal, Ledger, open_journal, open_ledger
from batch_issuer.metrics import Measurements
from batch_issuer.processes import Process, this_process
from batch_issuer.redaction import Redactor
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from batch_issuer.submission import Lease, LeaseTerms, Pace, Route, hold_lease
from batch_issuer.tracking import View

_SPARE_CONNECTIONS: Final = 2


class Progress(Protocol):
    """Hears how far a command has come."""

    def rows_checked(self, count: int) -> None:
        """Count rows that were read and checked."""

    def requests_planned(self, count: int) -> None:
        """Say how many requests will be sent."""

    def request_at_rest(self) -> None:
        """Count a request that needs nothing more now."""


class NoProgress:
    """Shows nothing."""

    def rows_checked(self, count: int) -> None:
        """Show nothing."""

    def requests_planned(self, count: int) -> None:
        """Show nothing."""

    def request_at_rest(self) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What every command works with; `stopping` asks all of it to end in order."""

    settings: Settings
    ledger: Ledger
    journal: Journal
    clock: Clock
    redact: Redactor
    stopping: asyncio.Event
    progress: Progress = field(default_factory=NoProgress)
    process: Process = field(default_factory=this_process)
    measurements: Measurements = field(default_factory=Measurements)
    engine: Engine | None = None
    """Does the heavy work elsewhere, where there is one."""
    site: Site
    """The settings, for whoever does it."""
    sizes: Sizes = field(default_factory=Sizes)
    """How large the pieces of that work are."""

    def lease(self, name: str) -> AbstractAsyncContextManager[Lease]:
        """Hold the lease of a batch, or of what else only one process may do at a time.

        Raises BatchInUse where another process holds it.
        """
        return hold_lease(self.ledger, name, terms=self.terms, process=self.process, clock=self.clock)

    @property
    def terms(self) -> LeaseTerms:
        """Return how long a lease runs that requests are sent under."""
        return LeaseTerms.for_requests(timeout=self.settings.timeout, settle=self.settings.settle)

    def batch_folder(self, batch: str) -> Path:
        """Return the folder of a batch's files."""
        return self.settings.output / batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An open way to the API, at its pace."""

    client: Client
    pace: Pace
    services: Services

    def route(self, inner: InnerCall, lease: Lease, *, batch: BatchId, org_id: str) -> Route:
        """Return what submitting a batch needs."""
        settings = self.services.settings
        return Route(
            batch=batch,
            lease=lease,
            org_id=org_id,
            client=self.client,
            inner=inner,
            journal=self.services.journal,
            pace=self.pace,
            clock=self.services.clock,
            concurrency=settings.concurrency,
            max_attempts=settings.max_attempts,
        )

    def view(self) -> View:
        """Return what reading states needs."""
        services = self.services
        return View(
            client=self.client,
            journal=services.journal,
            pace=self.pace,
            clock=services.clock,
            stopping=services.stopping,
        )


@asynccontextmanager
async def open_services(  # noqa: PLR0913 - one keyword for each thing that a caller may bring along
    settings: Settings,
    *,
    clock: Clock,
    stopping: asyncio.Event,
    progress: Progress | None = None,
    process: Process | None = None,
    measurements: Measurements | None = None,
    engine: Engine | None = None,
    site: Site | None = None,
) -> AsyncIterator[Services]:
    """Open the ledger and its journal, and close them in the other order."""
    async with open_ledger(settings.ledger_url, clock) as ledger, open_journal(ledger) as journal:
        yield Services(
            settings=settings,
            ledger=ledger,
            journal=journal,
            clock=clock,
            redact=Redactor(settings.secrets()),
            stopping=stopping,
            progress=progress or NoProgress(),
            process=process or this_process(),
            measurements=measurements or Measurements(),
            engine=engine,
            site=site or Site(settings, clock=clock),
        )


@asynccontextmanager
async def open_api(services: Services, access: Access) -> AsyncIterator[Api]:
    """Open the way to the API for one caller."""
    settings = services.settings
    server = f"{access.base_url} {access.org_id}"
    async with (
        services.ledger.writer() as write,
        open_client(
            access,
            redact=services.redact,
            clock=services.clock,
            timeout_seconds=settings.timeout,
            connections=settings.concurrency + _SPARE_CONNECTIONS,
            heard=services.measurements.exchange,
        ) as client,
    ):
        pace = Pace(services.ledger, server=server, rate=settings.rate, clock=services.clock, write=write)
        yield Api(client=client, pace=pace, services=services)
