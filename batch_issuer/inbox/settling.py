"""Brings a file to where it goes, once it is known what became of it."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from batch_issuer.batch.commands import for_profile
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import AlreadyIssued, BatchIssuerError, ReportsNotWritten
from batch_issuer.inbox.folder import left_marker
from batch_issuer.inbox.moving import (
    DONE,
    REFUSED,
    Content,
    Moved,
    PlaceTaken,
    Standing,
    copy_reports,
    free_place,
    move,
    move_marker,
    reports_of,
    write_problem,
)
from batch_issuer.inbox.results import FileResult
from batch_issuer.inbox.work import Work
from batch_issuer.ledger import Batch
from batch_issuer.ledger.batches import update_batch
from batch_issuer.reports import Summary, reports_lock
from batch_issuer.reports.summary import quoted
from batch_issuer.submission import Lease

log = logging.getLogger(__name__)

GOES_TO: Final[Mapping[ExitCode, str]] = {
    ExitCode.DONE: DONE,
    ExitCode.ROWS_NEED_A_LOOK: DONE,
    ExitCode.INPUT_REFUSED: REFUSED,
}
"""A batch that ended otherwise is not finished: its file stays, and the next pass goes on with it."""
_TOLD: Final = {
    Moved.REPLACED: "another file of its name lies in the folder now, and is taken by itself",
    Moved.GONE: "somebody has taken it out of the folder",
}


async def settle_batch(work: Work, claim: Lease, batch: Batch, summary: Summary) -> FileResult:
    """Move the file of a batch, and copy its reports beside it; a batch that is not finished keeps it.

    Every step may be done again: a pass that was killed is finished by the next one.
    """
    name = name_of(batch)
    kind = GOES_TO.get(summary.exit_code)
    if kind is None:
        log.warning(
            "file not finished", extra={"file": name, "batch": batch.batch, "code": int(summary.exit_code)}
        )
        return _result(name, summary, summary.message)
    try:
        return await _move_batch(work, claim, batch, summary, kind)
    except (OSError, ReportsNotWritten) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        problem = f"the file can't be moved to {work.inbox.path / kind} ({reason}); the next pass tries again"
        log.warning("file can't be moved", extra={"file": name, "batch": batch.batch})
        return replace(_result(name, summary, problem), exit_code=ExitCode.NOT_FINISHED)


async def _move_batch(work: Work, claim: Lease, batch: Batch, summary: Summary, kind: str) -> FileResult:
    name, folder = name_of(batch), work.inbox.path
    expected = Content(sha256=batch.input_sha256)
    place = batch.inbox_place
    while True:
        if not place:
            place = await asyncio.to_thread(free_place, folder, kind, name, batch.batch)
            await claim.write(update_batch, batch.batch, {"inbox_place": place})
        async with reports_lock(summary.folder, batch.batch, work.services.clock):
            await asyncio.to_thread(copy_reports, summary.folder, reports_of(folder / place))
        await claim.renew()
        try:
            moved = await asyncio.to_thread(move, folder / name, folder / place, expected)
            break
        except PlaceTaken:
            place = ""
    if moved is Moved.THERE:
        await _move_marker(work, folder / name, folder / place)
    await claim.write(update_batch, batch.batch, {"inbox_moved": True})
    fields = {"file": name, "batch": batch.batch, "code": int(summary.exit_code)}
    log.info("file moved", extra={**fields, "kind": place.partition("/")[0]})
    return _placed(_result(name, summary, summary.message), folder / place, moved)


async def _move_marker(work: Work, source: Path, place: Path) -> None:
    """Move what said that a file is complete along."""
    rule = work.options.rule
    marker = await asyncio.to_thread(left_marker, source, rule)
    if marker is not None:
        target = place.with_name(place.name + rule.done_marker)
        await asyncio.to_thread(move_marker, marker, target)


def _result(name: str, summary: Summary, problem: str) -> FileResult:
    return FileResult(
        name=name,
        batch=summary.batch.batch,
        summary=summary,
        problem=problem,
        exit_code=summary.exit_code,
        next_command=summary.next_command,
    )


def _placed(result: FileResult, place: Path, moved: Moved) -> FileResult:
    """Add where a file and its reports are."""
    placed = replace(result, reports=reports_of(place))
    if moved is not Moved.THERE:
        return replace(placed, problem=". ".join(filter(None, (result.problem, _TOLD[moved]))))
    is_refused = result.exit_code is ExitCode.INPUT_REFUSED
    profile = result.summary.batch.profile if result.summary else ""
    next_command = for_profile(validate_command(place), profile) if is_refused else result.next_command
    return replace(placed, place=place, next_command=next_command)


def name_of(batch: Batch) -> str:
    """Return the name that a batch's file has, or had, in its folder."""
    return batch.inbox_file.partition("/")[2]


def validate_command(place: Path) -> str:
    """Return the command that tells everything that is wrong with a file."""
    return f"batch-issuer validate {quoted(str(place))}"


async def refuse(
    work: Work, claim: Lease, name: str, expected: Content | Standing, why: BatchIssuerError
) -> FileResult | None:
    """Move a file that is no batch to where refused files go, with the reason; None where it is gone.

    Raises BatchTakenOver where another process has claimed it by now.
    """
    folder = work.inbox.path
    moment = f"{work.services.clock.now():%Y%m%d-%H%M%S}"
    try:
        place = folder / await asyncio.to_thread(free_place, folder, REFUSED, name, moment)
        await claim.renew()
        text = _problem_text(work, name, why, place)
        await asyncio.to_thread(write_problem, reports_of(place), text)
        moved = await asyncio.to_thread(move, folder / name, place, expected)
    except OSError as exc:
        return not_moved(name, f"{why}; and it can't be moved to {folder / REFUSED} ({exc.strerror})")
    if moved is not Moved.THERE:
        return None
    await _move_marker(work, folder / name, place)
    log.warning("file refused", extra={"file": name, "code": int(why.exit_code)})
    return FileResult(
        name=name,
        place=place,
        reports=reports_of(place),
        problem=str(why),
        exit_code=why.exit_code,
        next_command=for_profile(_next_command(why, place), work.services.settings.profile),
    )


def not_moved(name: str, problem: str, code: ExitCode = ExitCode.USAGE, batch: str = "") -> FileResult:
    """Tell of a file that stays where it is."""
    log.warning("file left in the folder", extra={"file": name, "code": int(code)})
    return FileResult(name=name, problem=problem, exit_code=code, batch=batch)


def _next_command(why: BatchIssuerError, place: Path) -> str:
    if isinstance(why, AlreadyIssued):
        return f"batch-issuer show {why.earlier}"
    return validate_command(place)


def _advice(why: BatchIssuerError, place: Path) -> str:
    if isinstance(why, AlreadyIssued):
        once_more = f"batch-issuer issue {quoted(str(place))} --again"
        return f"Nothing is left to do, unless it is to be issued once more: {once_more}"
    return "Correct the file, and put it into the folder again."


def _problem_text(work: Work, name: str, why: BatchIssuerError, place: Path) -> str:
    at = work.services.clock.timestamp()
    text = (
        f"{name} was refused at {at}. Nothing of it was sent.\n\n{work.services.redact(str(why))}\n\n"
        f"{_advice(why, place)}\nNext: {_next_command(why, place)}\n"
    )
    return for_profile(text, work.services.settings.profile)
