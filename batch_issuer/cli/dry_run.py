"""What `validate` and `plan` share: reading a file in place, and telling its problems."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import orjson
import typer

from batch_issuer.acceptance import IssueOptions
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.cli.running import progress_for
from batch_issuer.cli.standard_input import input_file
from batch_issuer.dry_run import DryRun, try_out
from batch_issuer.errors import OutputNotWritable
from batch_issuer.intake import CheckedFrame
from batch_issuer.reports import ProblemTally, original_line, original_rows_file, problem_json, problem_text
from batch_issuer.settings import Settings


class Problems:
    """All problems of a dry run: counted, and spooled to a temporary file for JSON."""

    def __init__(self, spool: IO[bytes]) -> None:
        """Spool to this file."""
        self.tally = ProblemTally()
        self._spool = spool

    def add(self, frame: CheckedFrame) -> None:
        """Take the problems of one frame."""
        for problem in frame.problems:
            self.tally.add(problem)
            self._spool.write(orjson.dumps(problem_json(problem)) + b"\n")

    def all(self) -> list[Any]:
        """Return every problem as a record, in input order."""
        self._spool.seek(0)
        return [orjson.loads(line) for line in self._spool]


@contextmanager
def dry_run(
    context: typer.Context, file: Path, settings: Settings, options: IssueOptions, rejects: Path | None
) -> Iterator[tuple[DryRun, Problems]]:
    """Check and plan a file; write its invalid rows where `rejects` says."""
    progress = progress_for(context)
    with tempfile.TemporaryFile() as spool:
        problems = Problems(spool)
        try:
            with ExitStack() as files:
                path = files.enter_context(input_file(file, max_bytes=settings.max_file_bytes))
                result = try_out(
                    path,
                    settings,
                    options,
                    progress=progress,
                    on_frame=_both(problems, _rejects_writer(files, rejects)),
                )
        except OSError as exc:
            raise OutputNotWritable(rejects.parent if rejects else file.parent, exc.strerror) from exc
        finally:
            progress.close()
        yield result, problems


def _both(problems: Problems, write: Callable[[CheckedFrame], None]) -> Callable[[CheckedFrame], None]:
    def take(frame: CheckedFrame) -> None:
        problems.add(frame)
        write(frame)

    return take


def _rejects_writer(files: ExitStack, rejects: Path | None) -> Callable[[CheckedFrame], None]:
    """Make what writes the invalid rows of a frame, opened with the first of them."""
    opened: list[Callable[[Any], None]] = []

    def write(frame: CheckedFrame) -> None:
        if rejects is None or not frame.problems:
            return
        columns = frame.columns
        if not opened:
            opened.append(files.enter_context(original_rows_file(rejects, columns).open(always=False)))
        cells_of = dict(zip(frame.raw.numbers, frame.raw.cells, strict=True))
        for row, problems in groupby(frame.problems, key=lambda problem: problem.row):
            text = problem_text(list(problems))
            opened[0]([original_line(row, cells_of[row], text, columns)])

    return write


def exit_code_of(result: DryRun) -> ExitCode:
    """Return 3 where `issue` would refuse the file."""
    return ExitCode.INPUT_REFUSED if result.refusal else ExitCode.DONE
