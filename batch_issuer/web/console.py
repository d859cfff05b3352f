"""What every page of the console works with."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from batch_issuer.accounts import Accounts, Passwords
from batch_issuer.addresses import is_loopback
from batch_issuer.clock import Clock
from batch_issuer.ledger.records import Records, open_records
from batch_issuer.metrics import Measurements
from batch_issuer.redaction import Redactor
from batch_issuer.runs import LoadSettings, Runs, open_runs
from batch_issuer.settings import Settings
from batch_issuer.uploads import Uploads, open_uploads
from batch_issuer.web.addresses import Doorway
from batch_issuer.web.patience import Patience

_USUAL: Final = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The services of a console that is open."""

    settings: Settings
    records: Records
    accounts: Accounts
    uploads: Uploads
    runs: Runs
    clock: Clock
    redact: Redactor
    measurements: Measurements
    doorway: Doorway
    welcome_code: str
    """Who has it may make the first account."""
    patience: Patience
    """How slowly a file may come."""
    is_new: bool
    """Whether there was no account yet when it was opened."""

    @property
    def environment(self) -> str:
        """`test` or `live`: live unless a setting says otherwise, or the API is on this machine."""
        settings = self.settings
        if settings.environment is not None:
            return settings.environment
        return "test" if is_loopback(urlsplit(settings.base_url or "").hostname or "localhost") else "live"


CONSOLE: Final = web.AppKey("console", Console)
STOPPING: Final = web.AppKey("stopping", asyncio.Event)
"""Set when the console is about to close: streams end then."""


@asynccontextmanager
async def open_console(
    settings: Settings,
    *,
    clock: Clock,
    load_settings: LoadSettings | None = None,
    passwords: Passwords | None = None,
    patience: Patience = _USUAL,
) -> AsyncIterator[Console]:
    """Open the services of a console; each run works with settings that are loaded anew.

    Raises what opening the ledger raises, and ConsoleInUse where another console works on it.
    """
    measurements = Measurements()
    async with (
        open_records(settings.ledger_url, clock) as records,
        open_runs(
            records, load_settings or _as_they_are(settings), clock=clock, measurements=measurements
        ) as runs,
        open_uploads(records, settings, clock) as uploads,
    ):
        accounts = Accounts(records, clock, passwords)
        yield Console(
            settings=settings,
            records=records,
            accounts=accounts,
            uploads=uploads,
            runs=runs,
            clock=clock,
            redact=Redactor(settings.secrets()),
            measurements=measurements,
            doorway=Doorway.of(settings),
            welcome_code=secrets.token_urlsafe(18),
            patience=patience,
            is_new=not await accounts.any_exist(),
        )


def _as_they_are(settings: Settings) -> LoadSettings:
    def load(given: Mapping[str, object]) -> Settings:
        return settings.model_copy(update=dict(given))

    return load


def console_of(request: web.Request) -> Console:
    """Return the services of the console that was asked."""
    return request.app[CONSOLE]
