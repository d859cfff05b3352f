"""Checks an upload: what `plan` finds, with its problems kept for pages."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from batch_issuer.acceptance import IssueOptions, input_options
from batch_issuer.assembly import NoProgress
from batch_issuer.batch.badges import BadgeBook
from batch_issuer.dry_run import DryRun, leave_to_other_batches, look_up, try_out
from batch_issuer.errors import OutputNotWritable
from batch_issuer.intake import CheckedRows, open_source
from batch_issuer.intake.copying import file_sha256
from batch_issuer.intake.corrected import WRITTEN_AS, write_corrected
from batch_issuer.ledger.uploads import Correction, Upload
from batch_issuer.reports import ProblemTally
from batch_issuer.reports.files import protect_original
from batch_issuer.reports.rejects import rejects_writer
from batch_issuer.settings import Settings
from batch_issuer.uploads.checked import Checked
from batch_issuer.uploads.choices import Choices
from batch_issuer.uploads.folders import UploadFolder
from batch_issuer.uploads.problem_file import ProblemWriter
from batch_issuer.uploads.progress import CheckProgress, CheckStage


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """All that one check of an upload goes by."""

    upload: Upload
    corrections: tuple[Correction, ...]
    folder: UploadFolder
    settings: Settings
    progress: CheckProgress
    book: BadgeBook | None = None
    """What a check shortly before found out of the badges."""

    @property
    def file(self) -> Path:
        """The file that would be issued."""
        return self.folder.corrected if self.corrections else self.folder.original

    @property
    def options(self) -> IssueOptions:
        """How it would be issued."""
        choices = Choices.of(self.upload)
        return choices.issue_options(self.upload, WRITTEN_AS if self.corrections else choices.sheet_options)

    async def run(self, checked: Checked) -> tuple[Checked, BadgeBook]:
        """Check the file, and return what was found of its badges, too.

        Raises InputRefused, UsageError, LedgerUnavailable, and Stopped.
        """
        self.progress.stage = CheckStage.READS
        if self.corrections:
            await asyncio.to_thread(self._write_copy)
        tried, tally = await asyncio.to_thread(self._try_once)
        self.progress.stage = CheckStage.LOOKS_UP
        self.progress.go_on()
        book = await self._look_up(tried)
        if book.faults(tried.checked.badge_uses()):
            self.progress.stage, self.progress.rows = CheckStage.READS, 0
            tried, tally = await asyncio.to_thread(self._try_once, book)
            self.progress.stage = CheckStage.LOOKS_UP
        warnings = tuple(filter(None, (*tried.warnings, book.warning)))
        tried = replace(tried, warnings=warnings, badges=book.names)
        if not self.options.again:
            tried = await leave_to_other_batches(tried, self.settings)
        sha256 = await asyncio.to_thread(file_sha256, self.file)
        return replace(checked.found(tried, tally, self.settings), sha256=sha256), book

    async def _look_up(self, tried: DryRun) -> BadgeBook:
        if self.book is not None and tried.checked.badges <= self.book.badges.keys():
            return self.book
        return await look_up(tried, self.settings, NoProgress())

    def _write_copy(self) -> None:
        """Write the file with its corrected cells beside its place, and move it there."""
        with self._writable():
            self._copy()

    def _copy(self) -> None:
        options = replace(self.options, sheet=Choices.of(self.upload).sheet_options)
        source = open_source(
            self.folder.original,
            input_options({**self.settings.public(), **options.reading()}),
            name=self.upload.file_name,
        )
        cells: dict[int, dict[int, str]] = {}
        for one in self.corrections:
            value = protect_original(one.value) if source.columns.added else one.value
            cells.setdefault(one.row, {})[one.position] = value
        beside = self.folder.corrected.with_suffix(".part")
        write_corrected(source, beside, cells, on_block=self.progress.go_on)
        beside.replace(self.folder.corrected)

    def _try_once(self, book: BadgeBook | None = None) -> tuple[DryRun, ProblemTally]:
        tally = ProblemTally()
        with self._writable(), ExitStack() as files:
            self.folder.rejects.unlink(missing_ok=True)
            problems = ProblemWriter(files, self.folder.problems)
            takers: tuple[Callable[[CheckedRows], None], ...] = (
                self.progress.count,
                lambda rows: tally.add_all(rows.problems),
                problems,
                rejects_writer(files, self.folder.rejects),
            )
            tried = try_out(
                self.file,
                self.settings,
                self.options,
                name=self.upload.file_name,
                book=book,
                on_rows=lambda rows: _give_to(takers, rows),
            )
        problems.finish()
        return tried, tally

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputNotWritable(self.settings.output, exc.strerror) from exc


def _give_to(takers: tuple[Callable[[CheckedRows], None], ...], rows: CheckedRows) -> None:
    for take in takers:
        take(rows)
