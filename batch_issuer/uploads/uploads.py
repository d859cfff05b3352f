"""The uploads of a server: received, looked at, checked in the background, corrected, and issued."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from batch_issuer.acceptance import IssueOptions
from batch_issuer.clock import Clock, format_instant
from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import GROUP_COLUMNS, Limits, SheetOptions
from batch_issuer.intake.columns import mapping_to, normal_title
from batch_issuer.intake.corrected import WRITTEN_AS
from batch_issuer.intake.kinds import open_sheet
from batch_issuer.intake.sampling import SheetSample, sample_sheet
from batch_issuer.ledger.records import Records
from batch_issuer.ledger.uploads import (
    Correction,
    Upload,
    corrections_of,
    count_corrections,
    delete_correction,
    delete_upload,
    find_upload,
    insert_upload,
    is_worked_on,
    known_uploads,
    open_uploads_of,
    put_correction,
    recall_columns,
    remember_columns,
    update_options,
    uploads_before,
)
from batch_issuer.settings import Settings
from batch_issuer.tasks import see_through
from batch_issuer.uploads.checked import Checked
from batch_issuer.uploads.checks import Checks
from batch_issuer.uploads.choices import Choices
from batch_issuer.uploads.folders import Incoming, UploadFolder, remove_unknown
from batch_issuer.uploads.names import clean_name, is_upload_id, make_upload_id
from batch_issuer.uploads.problem_file import (
    ProblemPage,
    ProblemRow,
    Wanted,
    find_problem_row,
    find_problems,
)
from batch_issuer.uploads.progress import CheckProgress
from batch_issuer.uploads.receiving import write_all
from batch_issuer.uploads.rows import find_rows
from batch_issuer.uploads.sampling import Sample, recalled_mapping, to_remember, understand

PASTED: Final = "pasted cells"
_SAMPLE_ROWS: Final = 5
_LOOKED_AT_ONCE: Final = 2
_KEPT: Final = timedelta(days=7)
_CLEANED_EVERY: Final = timedelta(days=1)


class Uploads:
    """What users brought. An upload is given out to its own user alone."""

    def __init__(self, records: Records, settings: Settings, clock: Clock) -> None:
        """Start with no check under way."""
        self._records, self._settings, self._clock = records, settings, clock
        self._checks = Checks(records, settings, clock)
        self._cleaned_at = clock.now()
        self._looking = asyncio.Semaphore(_LOOKED_AT_ONCE)
        self._alone: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def alone(self, upload: Upload) -> asyncio.Lock:
        """Return what nobody else holds who corrects or issues this upload."""
        return self._alone.setdefault(upload.upload, asyncio.Lock())

    async def receive(self, parts: AsyncIterator[bytes], *, file_name: str, user: str) -> Upload:
        """Write a file to the disk as it comes, and record it once it is durable and a spreadsheet.

        Raises InputRefused, OutputNotWritable, and whatever `parts` raises; then nothing of it is left.
        """
        if self._clock.now() - self._cleaned_at > _CLEANED_EVERY:
            await self.remove_old()
        name, upload_id = clean_name(file_name), make_upload_id()
        incoming = await asyncio.to_thread(
            Incoming, self._folder(upload_id), name=name, max_bytes=self._settings.max_file_bytes
        )
        try:
            await write_all(parts, incoming)
            kind = await see_through(asyncio.to_thread(incoming.finish))
            titles = await self._titles(upload_id, name)
            upload = Upload(
                upload=upload_id,
                user=user,
                file_name=name,
                kind=kind,
                size=incoming.size,
                sha256=incoming.sha256,
                created_at=self._clock.timestamp(),
                options=Choices(mapped=await self._recall(titles)).as_json(),
            )
            await self._records.write(insert_upload, upload)
        except BaseException:
            await see_through(asyncio.to_thread(incoming.discard))
            raise
        return upload

    async def paste(self, text: str, *, user: str) -> Upload:
        """Take cells that were copied from a spreadsheet. Raises as `receive` does."""
        if not text.strip():
            raise InputRefused("nothing was pasted: copy the cells, their header among them, and paste them")

        async def parts() -> AsyncIterator[bytes]:
            yield text.lstrip("\r\n").encode("utf-8", "replace")

        return await self.receive(parts(), file_name=PASTED, user=user)

    async def find(self, upload: str, *, user: str) -> Upload | None:
        """Return an upload, if it is this user's."""
        if not is_upload_id(upload):
            return None
        found = await self._records.read(find_upload, upload)
        return found if found is not None and found.user == user else None

    async def list_open(self, user: str) -> list[Upload]:
        """Return what a user brought and has not issued yet, the latest first."""
        return await self._records.read(open_uploads_of, user)

    async def remove(self, upload: str) -> bool:
        """Remove an upload, unless it is being issued; tell whether that was done."""
        await self._checks.stop(upload)
        is_gone = await self._records.write(delete_upload, upload)
        if is_gone:
            await asyncio.to_thread(self._folder(upload).remove)
        return is_gone

    async def remove_old(self, kept: timedelta = _KEPT) -> int:
        """Remove what came long ago, and folders that no upload has; return how many uploads that were."""
        self._cleaned_at = self._clock.now()
        before = self._cleaned_at - kept
        old = await self._records.read(uploads_before, format_instant(before))
        removed = [await self.remove(upload) for upload in old]
        known = await self._records.read(known_uploads)
        await asyncio.to_thread(remove_unknown, self._settings.output, known, before.timestamp())
        return sum(removed)

    async def sample(self, upload: Upload, *, rows: int = _SAMPLE_ROWS) -> Sample:
        """Show how a file begins and what its headers mean; what is wrong with it is told in words."""
        choices = Choices.of(upload)
        sheet = await self._look_at(upload, choices, rows=rows)
        given = {name for name in GROUP_COLUMNS if getattr(self._settings, name)}
        return understand(
            sheet,
            mapped=choices.mapped,
            values=given | set(choices.values),
            is_chosen=choices.columns is not None,
        )

    async def choose(self, upload: Upload, choices: Choices) -> Upload:
        """Decide how an upload is read and issued, and remember what its headers mean.

        Where the file is read in another way than before, its headers are looked at anew. Raises UsageError.
        """
        await self._refuse_if_worked_on(upload)
        choices = choices.tidied()
        sheet, before = await self._look_at(upload, choices), Choices.of(upload)
        if choices.sheet_options != before.sheet_options:
            choices = replace(choices, columns=None, mapped=await self._recall(sheet.titles))
        elif choices.columns is None:
            choices = replace(choices, mapped=before.mapped)
        else:
            mapped = await self._map(upload, choices.columns, sheet)
            choices = replace(choices, mapped=mapped)
        await self._checks.stop(upload.upload)
        await self._records.write(update_options, upload.upload, choices.as_json())
        return replace(upload, options=choices.as_json())

    def check(self, upload: Upload) -> None:
        """Begin to check an upload in the background, unless that is under way."""
        self._checks.start(upload.upload)

    def progress(self, upload: Upload) -> CheckProgress | None:
        """Tell how far the check of an upload is, while there is one."""
        return self._checks.progress(upload.upload)

    def trouble(self, upload: Upload) -> str:
        """Say why the last check came to no end, where that is so."""
        return self._checks.trouble(upload.upload)

    async def wait(self, upload: Upload) -> None:
        """Wait for the check of an upload to end."""
        await self._checks.wait(upload.upload)

    async def checked(self, upload: Upload) -> Checked | None:
        """Return what the last check found, and whether that is out of date."""
        return await self._checks.result(upload)

    async def problems(
        self, upload: Upload, wanted: Wanted, *, after: int = 0, limit: int = 50
    ) -> ProblemPage:
        """Return a page of invalid rows, in input order, as they were when they were checked."""
        path = self._folder(upload.upload).problems
        return await asyncio.to_thread(find_problems, path, wanted, after=after, limit=limit)

    async def all_rows(self, upload: Upload, *, after: int = 0, limit: int = 50) -> ProblemPage:
        """Return a page of all rows, in input order, of the first SHOWN_ROWS. Raises InputRefused."""
        folder, how = self._folder(upload.upload), Choices.of(upload).sheet_options

        def find() -> ProblemPage:
            sheet = open_sheet(folder.original, how, self._limits, name=upload.file_name)
            return find_rows(sheet, folder.problems, after=after, limit=limit)

        async with self._looking:
            return await see_through(asyncio.to_thread(find))

    async def problem_row(self, upload: Upload, row: int) -> ProblemRow | None:
        """Return one invalid row."""
        return await asyncio.to_thread(find_problem_row, self._folder(upload.upload).problems, row)

    async def correct(self, upload: Upload, *, row: int, position: int, value: str) -> None:
        """Write another value into a cell of an invalid row; the next check reads it.

        Raises UsageError for a cell that is not there, and for a row that would be left empty.
        """
        await self._refuse_if_worked_on(upload)
        found = await self.problem_row(upload, row)
        width = len((await self._look_at(upload, Choices.of(upload))).titles)
        if found is None or not 0 <= position < max(width, len(found.cells)):
            raise UsageError(f"row {row:,} has no such cell to correct; check the file again")
        _refuse_unstorable(value, self._settings.max_cell_chars)
        cells = dict(enumerate(found.cells))
        before = await self._records.read(corrections_of, upload.upload, [row])
        cells |= {one.position: one.value for one in before} | {position: value}
        if not any(cell.strip() for cell in cells.values()):
            raise UsageError(f"row {row:,} would be left without any cell; delete it in the file instead")
        correction = Correction(row=row, position=position, value=value)
        async with self.alone(upload):
            await self._refuse_if_worked_on(upload)
            await self._checks.stop(upload.upload)
            await self._records.write(put_correction, upload.upload, correction, self._clock.timestamp())

    async def undo(self, upload: Upload, *, row: int, position: int) -> None:
        """Let a corrected cell be as it was read."""
        async with self.alone(upload):
            await self._refuse_if_worked_on(upload)
            await self._checks.stop(upload.upload)
            await self._records.write(delete_correction, upload.upload, row=row, position=position)

    async def corrections(self, upload: Upload, rows: list[int] | None = None) -> list[Correction]:
        """Return the corrected cells of an upload, or of some of its rows."""
        return await self._records.read(corrections_of, upload.upload, rows or [])

    async def count_corrections(self, upload: Upload) -> int:
        """Count the corrected cells of an upload."""
        return await self._records.read(count_corrections, upload.upload)

    async def to_issue(self, upload: Upload) -> tuple[Path, IssueOptions]:
        """Return the file to issue, and how; what was checked is what is issued."""
        choices, folder = Choices.of(upload), self._folder(upload.upload)
        if await self.count_corrections(upload):
            return folder.corrected, choices.issue_options(upload, WRITTEN_AS)
        return folder.original, choices.issue_options(upload, choices.sheet_options)

    def rejects(self, upload: Upload) -> Path:
        """Return where the invalid rows are, as a file to correct; it is there if there are any."""
        return self._folder(upload.upload).rejects

    async def close(self) -> None:
        """Stop all checks."""
        await self._checks.close()

    @property
    def _limits(self) -> Limits:
        return Limits(max_rows=self._settings.max_rows, max_cell_chars=self._settings.max_cell_chars)

    def _folder(self, upload: str) -> UploadFolder:
        return UploadFolder.of(self._settings.output, upload)

    async def _look_at(self, upload: Upload, choices: Choices, *, rows: int = 0) -> SheetSample:
        folder, how = self._folder(upload.upload), choices.sheet_options
        return await self._look(folder, how, name=upload.file_name, rows=rows)

    async def _look(self, folder: UploadFolder, how: SheetOptions, *, name: str, rows: int) -> SheetSample:
        """Look at how a file begins; some at once, for the texts of a workbook may take much memory."""
        async with self._looking:
            work = asyncio.to_thread(sample_sheet, folder.original, how, self._limits, name=name, rows=rows)
            return await see_through(work)

    async def _titles(self, upload: str, name: str) -> tuple[str, ...]:
        """Read the header of a file that has just come. Raises InputRefused where it is no spreadsheet."""
        sheet = await self._look(self._folder(upload), SheetOptions(), name=name, rows=0)
        if sheet.refusal:
            raise InputRefused(sheet.refusal)
        return sheet.titles

    async def _map(self, upload: Upload, columns: Mapping[str, str], sheet: SheetSample) -> dict[str, str]:
        _refuse_unclear(columns, sheet)
        meant, at = to_remember(sheet.titles, columns), self._clock.timestamp()
        await self._records.write(remember_columns, meant, user=upload.user, at=at)
        return mapping_to(sheet.titles, columns)

    async def _recall(self, titles: Sequence[str]) -> dict[str, str]:
        remembered = await self._records.read(recall_columns, {*map(normal_title, titles)})
        return recalled_mapping(titles, remembered)

    async def _refuse_if_worked_on(self, upload: Upload) -> None:
        is_open = await self._records.read(is_worked_on, upload.upload)
        if upload.batch or is_open:
            raise UsageError("this file is being issued, or has been: nothing of it can be changed any more")


@asynccontextmanager
async def open_uploads(records: Records, settings: Settings, clock: Clock) -> AsyncIterator[Uploads]:
    """Yield the uploads of a server, and end their checks with it."""
    uploads = Uploads(records, settings, clock)
    await uploads.remove_old()
    try:
        yield uploads
    finally:
        await uploads.close()


def _refuse_unclear(columns: Mapping[str, str], sheet: SheetSample) -> None:
    # a browser may write line breaks inside a header otherwise
    known, taken = {*map(normal_title, sheet.titles)}, dict[str, str]()
    for column, title in columns.items():
        if title and normal_title(title) not in known:
            raise UsageError(f"the file has no header {title!r} to take {column} from; look at it again")
        other = taken.setdefault(normal_title(title), column) if title else column
        if other != column:
            raise UsageError(f"the header {title!r} is chosen for {other} and for {column}; choose another")


def _refuse_unstorable(value: str, most: int) -> None:
    if len(value) > most:
        raise UsageError(f"a cell may hold {most:,} characters at most")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        raise UsageError("what was typed holds a character that no cell can hold; type it again")
