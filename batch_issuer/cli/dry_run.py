"""What `validate` and `plan` share: reading a file in place, and telling its problems."""

import asyncio
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

import typer

from batch_issuer.acceptance import IssueOptions
from batch_issuer.batch.badges import BadgeBook
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.cli.running import progress_for
from batch_issuer.cli.standard_input import input_file
from batch_issuer.dry_run import DryRun, look_up, try_out
from batch_issuer.errors import OutputNotWritable
from batch_issuer.intake import CheckedRows
from batch_issuer.ledger.packing import pack_problems, unpack_problems
from batch_issuer.reports import ProblemTally, problem_json
from batch_issuer.reports.rejects import rejects_writer
from batch_issuer.settings import Settings

_SIZE: Final = struct.Struct("<Q")


class Problems:
    """All problems of a dry run: counted, and spooled to a temporary file for JSON."""

    def __init__(self, spool: IO[bytes]) -> None:
        """Spool to this file."""
        self.tally = ProblemTally()
        self._spool = spool

    def add(self, rows: CheckedRows) -> None:
        """Take the problems of one block."""
        if rows.problems:
            self.tally.add_all(rows.problems)
            packed = pack_problems(rows.problems)
            self._spool.write(_SIZE.pack(len(packed)) + packed)

    def all(self) -> list[dict[str, Any]]:
        """Return every problem as a record, in input order."""
        self._spool.seek(0)
        sizes = iter(lambda: self._spool.read(_SIZE.size), b"")
        blocks = (unpack_problems(self._spool.read(*_SIZE.unpack(size))) for size in sizes)
        return [problem_json(problem) for block in blocks for problem in block]


@contextmanager
def dry_run(
    context: typer.Context,
    file: str,
    settings: Settings,
    options: IssueOptions,
    *,
    rejects: Path | None = None,
    checks_badges: bool = False,
) -> Iterator[tuple[DryRun, Problems]]:
    """Check and plan a file, and its badges where asked to; write its invalid rows where `rejects` says."""
    progress = progress_for(context)

    def try_once(path: Path, book: BadgeBook | None = None) -> tuple[DryRun, Problems]:
        with ExitStack() as written:
            problems = Problems(kept.enter_context(tempfile.TemporaryFile()))
            on_rows = _all(
                problems.add,
                rejects_writer(written, rejects) if rejects else lambda _: None,
                lambda rows: progress.rows_checked(rows.total),
            )
            return try_out(path, settings, options, book=book, on_rows=on_rows), problems

    with ExitStack() as kept:
        try:
            path = kept.enter_context(input_file(file, max_bytes=settings.max_file_bytes))
            tried, problems = try_once(path)
            if checks_badges:
                book = asyncio.run(look_up(tried, settings, progress))
                if book.faults(tried.checked.badge_uses()):
                    tried, problems = try_once(path, book)
                warnings = tuple(filter(None, (*tried.warnings, book.warning)))
                tried = replace(tried, warnings=warnings, badges=book.names)
        except OSError as exc:
            raise OutputNotWritable(rejects.parent if rejects else Path(file).parent, exc.strerror) from exc
        finally:
            progress.close()
        yield tried, problems


def _all(*takers: Callable[[CheckedRows], None]) -> Callable[[CheckedRows], None]:
    def take(rows: CheckedRows) -> None:
        for taker in takers:
            taker(rows)

    return take


def exit_code_of(result: DryRun) -> ExitCode:
    """Return 3 where `issue` would refuse the file."""
    return ExitCode.INPUT_REFUSED if result.refusal else ExitCode.DONE
