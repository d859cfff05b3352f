"""Stays with a folder: a pass at the start, when files come, when one is old enough, and now and then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.clock import Clock
from batch_issuer.errors import BatchIssuerError
from batch_issuer.inbox.defaults import DEFAULTS
from batch_issuer.inbox.folder import Completeness, Kind, kind_of
from batch_issuer.inbox.results import PassResult
from batch_issuer.tasks import until_first

log = logging.getLogger(__name__)

_A_LITTLE: Final = 0.5
"""Seconds beyond the age at which a file is complete."""


async def watch(
    one_pass: Callable[[], Awaitable[PassResult]],
    *,
    came: asyncio.Event,
    every: float,
    clock: Clock,
    stopping: asyncio.Event,
) -> None:
    """Make passes until a stop is asked for; one that fails is logged, and tried again with the next."""
    while not stopping.is_set():
        came.clear()
        again_in = await _try(one_pass)
        await until_first(clock.tick(min(every, again_in or every)), came.wait(), stopping.wait())


async def _try(one_pass: Callable[[], Awaitable[PassResult]]) -> float | None:
    try:
        result = await one_pass()
    except BatchIssuerError as exc:
        log.error("pass failed", extra={"code": int(exc.exit_code), "reason": str(exc)})  # noqa: TRY400 - no trace for what the user can mend
    except Exception as exc:  # whoever watches must not end for one pass
        log.debug("error in the program", exc_info=True)
        reason = f"an error in the program ({type(exc).__name__}); run with -vv for more"
        log.error("pass failed", extra={"code": int(ExitCode.PROGRAM_ERROR), "reason": reason})  # noqa: TRY400 - as above
    else:
        return None if result.again_in is None else result.again_in + _A_LITTLE
    return None


async def tell_of_files(
    folder: Path, rule: Completeness, came: asyncio.Event, stopping: asyncio.Event
) -> None:
    """Set `came` whenever a file comes that a pass could take; where the system tells nothing, never."""
    # loaded only where somebody watches
    from watchfiles import Change, awatch  # noqa: PLC0415

    def is_news(change: Change, path: str) -> bool:
        name = Path(path).name
        is_marker = bool(rule.done_marker) and name.endswith(rule.done_marker)
        return change is not Change.deleted and (
            is_marker or name == DEFAULTS or kind_of(name, rule) is Kind.INPUT
        )

    try:
        async for _ in awatch(folder, watch_filter=is_news, recursive=False, stop_event=stopping):
            came.set()
    except (OSError, RuntimeError) as exc:
        log.warning("no notice of new files: passes go by time alone", extra={"reason": str(exc)})
