"""Checks of an engine: can it be reached, and has each of its workers what the work takes."""

import asyncio
import secrets
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from batch_issuer.addresses import without_password
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis.findings import Findings, ok, problem
from batch_issuer.engine import Engine, Work
from batch_issuer.errors import BatchIssuerError, EngineUnavailable, LedgerUnavailable, SettingsError
from batch_issuer.gateway import sending_access
from batch_issuer.ledger import open_ledger
from batch_issuer.ledger.batches import list_batches
from batch_issuer.settings import Settings
from batch_issuer.site import Site

T = TypeVar("T")
R = TypeVar("R")

_CHECK: Final = "engine"
_SECONDS: Final = 20.0
_ADVICE: Final = "docs/how-to/cluster.md tells what each worker needs"


class Staffed(Engine, Protocol):
    """An engine whose workers can each be asked."""

    @property
    def workers(self) -> int:
        """How many there are now."""

    async def everywhere(self, work: Work[T, R], item: T) -> list[R | BaseException]:
        """Have some work done once by each worker; return what came of each, errors too."""


OpenStaffed = Callable[[Site], AbstractAsyncContextManager[Staffed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a worker is asked to look for."""

    site: Site
    sign: str
    """A file in OUTPUT, by its name, and what is in it; empty where there is no such folder yet."""
    batches: frozenset[str] | None
    """Those that the ledger knows here; None where it can't be used yet."""


async def check_workers(site: Site, open_staffed: OpenStaffed, *, uses_ledger: bool) -> Findings:
    """Connect to the engine, and ask each worker what it sees."""
    settings = site.settings()
    try:
        async with asyncio.timeout(_SECONDS), open_staffed(site) as engine:
            batches = await _batches_of(settings) if uses_ledger else None
            with _sign_in(settings.output) as sign:
                errand = Errand(site=site, sign=sign, batches=batches)
                answers = await engine.everywhere(look_around, errand)
            return judge_workers(answers, f"{settings.engine}", engine.workers, engine.width)
    except TimeoutError:
        found = f"{settings.engine} has no worker, or one that does not answer within {_SECONDS:.0f} seconds"
        return [problem(_CHECK, found, "start workers, or look at their logs", code=ExitCode.NOT_FINISHED)]
    except BatchIssuerError as exc:
        return [problem(_CHECK, str(exc), code=exc.exit_code)]


async def look_around(errand: Errand) -> tuple[str, ...]:
    """Tell, on a worker, what is missing there."""
    settings = errand.site.settings()
    missing = [*_missing_to_send(settings)]
    if errand.sign and not await asyncio.to_thread(_sees, settings.output, errand.sign):
        missing.append(f"does not see this machine's {settings.output}: share that folder with every worker")
    if errand.batches is not None:
        try:
            if await _batches_of(settings) != errand.batches:
                ledger = without_password(settings.ledger_url)
                missing.append(f"reaches another ledger than this machine by the name of {ledger}")
        except LedgerUnavailable as exc:
            missing.append(f"{exc}")
    host = socket.gethostname()
    return tuple(f"the worker on {host}: {text}" for text in missing)


def judge_workers(
    answers: "list[tuple[str, ...] | BaseException]", name: str, workers: int, width: int
) -> Findings:
    """Say what is missing of the workers, each thing once, or that nothing is."""
    told = Counter(text for answer in answers for text in _texts_of(answer))
    if told:
        return [
            problem(_CHECK, _counted(text, count), _ADVICE, code=ExitCode.USAGE)
            for text, count in told.items()
        ]
    each = f"{workers} workers, {width} pieces of work at a time" if workers > 1 else "1 worker"
    return [ok(_CHECK, f"{name} answers: {each}; of this version, with what it takes to send")]


def _texts_of(answer: tuple[str, ...] | BaseException) -> tuple[str, ...]:
    match answer:
        case SettingsError():
            return tuple(answer.problems)
        case EngineUnavailable():
            return (f"{answer}",)
        case BaseException():
            return (f"a worker could not look: {type(answer).__name__}: {answer}",)
        case _:
            return answer


def _counted(text: str, count: int) -> str:
    return text if count == 1 else f"{text} ({count} workers say so)"


def _missing_to_send(settings: Settings) -> Iterator[str]:
    try:
        sending_access(settings)
    except SettingsError as exc:
        yield from exc.problems


async def _batches_of(settings: Settings) -> frozenset[str]:
    async with open_ledger(settings.ledger_url) as ledger:
        return frozenset(batch.batch for batch in await ledger.read(list_batches))


@contextmanager
def _sign_in(output: Path) -> Iterator[str]:
    """Put a file into the output folder while workers look for it, where that folder is there."""
    if not output.is_dir():
        yield ""
        return
    with tempfile.NamedTemporaryFile("w", prefix=".doctor-", dir=output) as file:
        word = secrets.token_hex(8)
        file.write(word)
        file.flush()
        yield f"{Path(file.name).name} {word}"


def _sees(output: Path, sign: str) -> bool:
    name, _, word = sign.partition(" ")
    with suppress(OSError):
        return (output / name).read_text() == word
    return False
