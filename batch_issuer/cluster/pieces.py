"""What travels to a worker and back: a piece of work, and what came of it. No secret is in it.

Both travel as bytes that only the two ends open: the scheduler between them needs to know nothing of them.
"""

import asyncio
import logging
import pickle
import socket
import traceback
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from distributed import get_worker
from distributed.worker_state_machine import SecedeEvent

from batch_issuer import __version__
from batch_issuer.engine import Work
from batch_issuer.errors import BatchIssuerError, SettingsError, UsageError
from batch_issuer.logs import LogFormat, set_up_logs
from batch_issuer.redaction import Redactor
from batch_issuer.site import Site

log = logging.getLogger(__name__)

R = TypeVar("R")

_LOOK_SECONDS: Final = 0.5
_redact: Final = Redactor()
"""Knows the secrets of all whose pieces are done in this process: the log is one, the clients may be many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of work, and how whoever does it sets itself up."""

    key: str
    work: Work[Any, Any]
    item: object
    waits: bool
    """It leaves its place to others, as it mostly waits."""
    site: Site
    log_format: LogFormat
    verbosity: int

    def packed(self) -> bytes:
        """Return it as it travels."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a piece: a result, or what was raised."""

    result: object = None
    error: Exception | None = None

    @classmethod
    def unpacked(cls, packed: bytes) -> "Done":
        """Return it as it was before it travelled."""
        done: Done = pickle.loads(packed)  # noqa: S301 - from our own workers, whom we let run our code
        return done

    def packed(self) -> bytes:
        """Return it as it travels."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)


async def do_piece(version: str, packed: bytes) -> bytes:
    """Do a piece of work, on a worker. What it raises is returned: so it is told from Dask's own errors."""
    try:
        return Done(result=await _do(version, packed)).packed()
    except BatchIssuerError as exc:
        return Done(error=exc).packed()
    except Exception as exc:  # noqa: BLE001 - whatever it is, the client has to hear of it
        return _failed(exc)


async def _do(version: str, packed: bytes) -> object:
    if version != __version__:
        raise other_version(f"the worker on {socket.gethostname()}", __version__, version)
    piece: Piece = pickle.loads(packed)  # noqa: S301 - whoever reaches a worker runs code there anyway
    _set_up(piece)
    if piece.waits:
        _leave_place(piece.key)
    return await _while_wanted(piece.key, piece.work(piece.item))


def other_version(who: str, theirs: str | None, ours: str) -> UsageError:
    """Say that somebody of the engine has another version, or none."""
    what = f"has batch_issuer {theirs}" if theirs else "has no batch_issuer"
    return UsageError(
        f"{who} {what}, and this is batch_issuer {ours}; run the same image, or install the same version, "
        "for the scheduler, its workers and this command"
    )


def _set_up(piece: Piece) -> None:
    """Log as the client was asked to, without any secret of this place."""
    try:
        settings = piece.site.settings()
    except SettingsError as exc:
        host = socket.gethostname()
        raise SettingsError([f"on worker {host}: {text}" for text in exc.problems], names=exc.names) from exc
    _redact.add(*settings.secrets())
    set_up_logs(log_format=piece.log_format, verbosity=piece.verbosity, redact=_redact)


def _leave_place(key: str) -> None:
    """Let the worker do other work meanwhile, as Dask's own `secede` does for a thread."""
    get_worker().handle_stimulus(
        SecedeEvent(key=key, compute_duration=0.0, stimulus_id=f"leave-place-{uuid.uuid4().hex}")
    )


async def _while_wanted(key: str, work: Awaitable[R]) -> R | None:
    """Do some work for as long as somebody wants it: Dask itself lets what was given up run to its end."""
    working = asyncio.ensure_future(work)
    unwanted = asyncio.create_task(_wait_until_unwanted(key), name="wait until unwanted")
    try:
        await asyncio.wait({working, unwanted}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        unwanted.cancel()
        await asyncio.wait({working, unwanted})


async def _wait_until_unwanted(key: str) -> None:
    tasks = get_worker().state.tasks
    while key in tasks and tasks[key].state != "cancelled":  # noqa: ASYNC110 - Dask tells nobody of it
        await asyncio.sleep(_LOOK_SECONDS)


def _failed(error: Exception) -> bytes:
    """Pack what was raised, with where; what can't travel is told in its words."""
    error.add_note(f"on worker {socket.gethostname()}:\n{''.join(traceback.format_tb(error.__traceback__))}")
    try:
        packed = Done(error=error).packed()
        Done.unpacked(packed)
    except Exception:  # noqa: BLE001 - errors of libraries may be pickled, or made anew, in no way
        return Done(error=RuntimeError(f"{type(error).__name__}: {error}")).packed()
    return packed
