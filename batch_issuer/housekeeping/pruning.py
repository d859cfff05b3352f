"""Prunes batches that are over: their files and details go; what guards customers and content stays.

The ledger notes first that a batch is pruned, so that nothing works on it any more. Then its files go, then
its rows, in short transactions. Killed in between, the next prune finishes it, whatever its age.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import BatchIssuerError, LedgerUnavailable
from batch_issuer.housekeeping.batch_files import has_files, remove_files, size_of
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import delete_plan, delete_problems
from batch_issuer.ledger.pruning import (
    begin_pruning,
    end_pruning,
    prunable_batches,
    prune_blocks,
    prune_requests,
    pruned_batches,
)
from batch_issuer.reports import figures_of, reports_lock, summarise
from batch_issuer.submission import Lease

log = logging.getLogger(__name__)

_SECONDS_TO_GIVE_BACK: Final = 5.0
"""Others that write wait meanwhile, and do so for ten seconds at least."""


class Fate(StrEnum):
    """What became of a batch that is to be pruned."""

    TO_PRUNE = "to_prune"
    PRUNED = "pruned"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A batch that is over and old enough, or whose pruning was cut off."""

    batch: Batch
    age: timedelta
    bytes: int
    """What its files take."""
    fate: Fate = Fate.TO_PRUNE
    remark: str = ""
    """Why it was left, or what was left of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What is to be pruned, or was."""

    candidates: Sequence[Candidate]
    given_back: int = 0
    """Bytes that the ledger's file has become smaller by."""

    @property
    def exit_code(self) -> ExitCode:
        """Say whether everything was done that was to be done."""
        is_left = any(candidate.fate is Fate.LEFT for candidate in self.candidates)
        return ExitCode.NOT_FINISHED if is_left else ExitCode.DONE


async def find_prunable(services: Services, *, older_than: timedelta) -> Pruning:
    """Find the batches to prune; changes nothing."""
    now = services.clock.now()
    old = await services.ledger.read(prunable_batches, now - older_than)
    begun = await services.ledger.read(pruned_batches)

    def look() -> list[Candidate]:
        folder = services.batch_folder
        cut_off = [batch for batch in begun if batch.pruning or has_files(folder(batch.batch))]
        return [
            Candidate(batch=batch, age=now - _last(batch), bytes=size_of(folder(batch.batch)))
            for batch in (*cut_off, *old)
        ]

    return Pruning(candidates=await asyncio.to_thread(look))


def _last(batch: Batch) -> datetime:
    """When something was last written about a batch."""
    return datetime.fromisoformat(max(batch.created_at, batch.finished_at))


async def prune(services: Services, found: Pruning) -> Pruning:
    """Prune what was found, one batch after the other; one that can't be pruned now is left, and told."""
    done = []
    for candidate in found.candidates:
        if services.stopping.is_set():
            done.append(replace(candidate, fate=Fate.LEFT, remark="stopped before its turn"))
        else:
            done.append(await _prune_one(services, candidate))
    is_worth_it = any(candidate.fate is Fate.PRUNED for candidate in done)
    given_back = await services.ledger.give_back(seconds=_SECONDS_TO_GIVE_BACK) if is_worth_it else 0
    return Pruning(candidates=done, given_back=given_back)


async def _prune_one(services: Services, candidate: Candidate) -> Candidate:
    batch = candidate.batch
    try:
        async with services.lease(batch.batch) as lease:
            if not batch.pruned_at and not await _begin(services, lease, batch):
                return replace(candidate, fate=Fate.LEFT, remark="something happened to it meanwhile")
            remark = await _remove_files(services, batch)
            await _prune_rows(lease, batch)
    except LedgerUnavailable:
        raise
    except (BatchIssuerError, OSError) as exc:
        told = exc.strerror if isinstance(exc, OSError) else str(exc)
        return replace(candidate, fate=Fate.LEFT, remark=str(told))
    log.info("pruned", extra={"batch": batch.batch, "count": batch.rows})
    return replace(candidate, fate=Fate.PRUNED, remark=remark)


async def _begin(services: Services, lease: Lease, batch: Batch) -> bool:
    """Note in the ledger that a batch is pruned, with its figures; False where it is not over any more."""
    folder = services.batch_folder(batch.batch)
    summary = await services.ledger.read(summarise, batch, folder)
    at = services.clock.timestamp()
    return await lease.write(begin_pruning, batch.batch, at=at, figures=figures_of(summary))


async def _remove_files(services: Services, batch: Batch) -> str:
    """Remove a batch's files while nobody else writes them; say what was left."""
    folder = services.batch_folder(batch.batch)
    if folder.is_symlink():
        return f"{folder} is a link to another place, and was left alone"
    if not folder.is_dir():
        return ""
    async with reports_lock(folder, batch.batch, services.clock):
        is_gone = await asyncio.to_thread(remove_files, folder)
    return "" if is_gone else f"{folder} holds files of somebody else, which were kept"


async def _prune_rows(lease: Lease, batch: Batch) -> None:
    """Remove a batch's rows in short transactions, between which others have their turn."""
    if batch.stage is BatchStage.REFUSED:  # nothing of it was sent: it holds nobody
        while await lease.write_block(delete_plan, batch.batch):
            pass
        await lease.write_block(delete_problems, batch.batch)
    last = ""
    while last := await lease.write_block(prune_requests, batch.batch, last):
        pass
    while await lease.write_block(prune_blocks, batch.batch):
        pass
    await lease.write(end_pruning, batch.batch)
