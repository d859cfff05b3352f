"""Checks that run in the background of a server: few at once, each in threads, one for an upload."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import orjson

from batch_issuer.batch.badges import BadgeBook
from batch_issuer.clock import Clock
from batch_issuer.errors import BatchIssuerError, InputRefused, OutputNotWritable, UsageError
from batch_issuer.gateway import normal_url
from batch_issuer.ledger.batches import find_content
from batch_issuer.ledger.records import Records
from batch_issuer.ledger.uploads import (
    Correction,
    Upload,
    corrections_of,
    find_checked,
    find_upload,
    store_checked,
)
from batch_issuer.settings import Settings
from batch_issuer.uploads.checked import Checked
from batch_issuer.uploads.checking import Check
from batch_issuer.uploads.choices import Choices
from batch_issuer.uploads.folders import UploadFolder
from batch_issuer.uploads.progress import CheckProgress, CheckStage, Stopped

log = logging.getLogger(__name__)

_AT_ONCE: Final = 2
_BOOK_SECONDS: Final = 600
"""So long what was found out of badges need not be asked again, where a file is checked again."""
_NO_ROOM: Final = (
    "the console can't write to its disk now: tell an admin of the console, and check the file again later"
)
_FAULT: Final = "the check ended in a fault of the program; the server's log says more. Check the file again"
_DECISIVE: Final = (
    *("base_url", "org_id", "badge_meta_id", "owner_type", "reference_id", "issue_event_date"),
    *("badge_pattern", "timezone", "max_rows", "max_cell_chars", "chunk_size", "rate"),
)
"""The settings that what is found depends on."""
_NAME_ALONE: Final = frozenset({"name", "columns"})
"""What is chosen for people, or stands in the mapping already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay:
    """A check under way."""

    task: asyncio.Task[None]
    progress: CheckProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was found out of the badges of an upload, and when."""

    book: BadgeBook
    at: float


class Checks:
    """The checks of a server."""

    def __init__(self, records: Records, settings: Settings, clock: Clock) -> None:
        """Start with none."""
        self._records, self._settings, self._clock = records, settings, clock
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[str, _UnderWay] = {}
        self._trouble: dict[str, str] = {}
        self._books: dict[str, _Known] = {}

    def start(self, upload: str) -> None:
        """Begin to check an upload, unless that is under way."""
        if upload in self._under_way:
            return
        self._trouble.pop(upload, None)
        progress = CheckProgress()
        task = asyncio.create_task(self._check(upload, progress), name=f"check upload {upload}")
        self._under_way[upload] = _UnderWay(task=task, progress=progress)
        task.add_done_callback(lambda task: self._ended(upload, task))

    def progress(self, upload: str) -> CheckProgress | None:
        """Tell how far a check is, while there is one."""
        found = self._under_way.get(upload)
        return found.progress if found else None

    def trouble(self, upload: str) -> str:
        """Say why the last check of an upload came to no end, where that is so."""
        return self._trouble.get(upload, "")

    async def wait(self, upload: str) -> None:
        """Wait for a check to end, however it does."""
        found = self._under_way.get(upload)
        if found is not None:
            await asyncio.wait({found.task})

    async def stop(self, upload: str) -> None:
        """End a check: when this returns nothing writes the files of the upload any more."""
        found = self._under_way.get(upload)
        if found is not None:
            found.progress.stop()
            if found.progress.stage is not CheckStage.READS:  # a thread that reads hears of it by itself
                found.task.cancel()
            await asyncio.wait({found.task})
        self._trouble.pop(upload, None)

    async def close(self) -> None:
        """End all checks."""
        for under_way in self._under_way.values():
            under_way.progress.stop()
        for upload in tuple(self._under_way):
            await self.stop(upload)

    async def result(self, upload: Upload) -> Checked | None:
        """Return what the last check of an upload found."""
        stored = await self._records.read(find_checked, upload.upload)
        if stored is None:
            return None
        checked = Checked.of(stored)
        corrections = await self._records.read(corrections_of, upload.upload)
        is_stale = checked.fingerprint != fingerprint_of(upload, corrections, self._settings)
        return replace(checked, is_stale=is_stale, same_content=await self._same_content(checked))

    async def _check(self, upload_id: str, progress: CheckProgress) -> None:
        async with self._slots:
            progress.go_on()
            upload = await self._records.read(find_upload, upload_id)
            if upload is None:
                return
            corrections = await self._records.read(corrections_of, upload_id)
            check = Check(
                upload=upload,
                corrections=tuple(corrections),
                folder=UploadFolder.of(self._settings.output, upload_id),
                settings=self._settings,
                progress=progress,
                book=self._known_book(upload_id),
            )
            began = self._clock.uptime()
            checked = await self._run(check)
            progress.go_on()
            await self._records.write(store_checked, upload_id, checked.as_json())
            seconds = self._clock.uptime() - began
            log.info("upload checked", extra={"upload": upload_id, "count": checked.rows, "seconds": seconds})

    async def _run(self, check: Check) -> Checked:
        fingerprint = fingerprint_of(check.upload, check.corrections, check.settings)
        at = self._clock.timestamp()
        try:
            checked, book = await check.run(Checked(fingerprint=fingerprint, checked_at=at))
        except OutputNotWritable:  # another try may find room
            raise
        except (InputRefused, UsageError) as exc:
            return Checked.failed(str(exc), fingerprint=fingerprint, at=at)
        if book is not check.book and not book.warning:
            self._books[check.upload.upload] = _Known(book=book, at=self._clock.uptime())
        return checked

    def _known_book(self, upload: str) -> BadgeBook | None:
        oldest = self._clock.uptime() - _BOOK_SECONDS
        self._books = {name: known for name, known in self._books.items() if known.at > oldest}
        known = self._books.get(upload)
        return None if known is None else replace(known.book, today=self._clock.now())

    async def _same_content(self, checked: Checked) -> str:
        settings = self._settings
        if not checked.sha256 or settings.base_url is None:
            return ""
        found = await self._records.read(
            find_content,
            checked.sha256,
            base_url=normal_url(settings.base_url),
            org_id=settings.org_id or "",
        )
        return found or ""

    def _ended(self, upload: str, task: asyncio.Task[None]) -> None:
        del self._under_way[upload]
        with suppress(asyncio.CancelledError):
            exc = task.exception()
            if exc is None or isinstance(exc, Stopped):
                return
            is_told = isinstance(exc, BatchIssuerError)
            has_room = not isinstance(exc, OutputNotWritable)
            self._trouble[upload] = _FAULT if not is_told else str(exc) if has_room else _NO_ROOM
            fields = {"upload": upload, "reason": str(exc) if is_told else type(exc).__name__}
            log.error("upload not checked", extra=fields, exc_info=None if is_told else exc)


def fingerprint_of(upload: Upload, corrections: Sequence[Correction], settings: Settings) -> str:
    """Digest all that decides what checking an upload finds."""
    choices = {name: value for name, value in Choices.of(upload).as_json().items() if name not in _NAME_ALONE}
    facts = [
        upload.sha256,
        choices,
        [(one.row, one.position, one.value) for one in corrections],
        [str(getattr(settings, name)) for name in _DECISIVE],
    ]
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
