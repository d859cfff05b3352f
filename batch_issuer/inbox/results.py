"""What a pass over a folder did, for whoever prints it, counts it or tells people of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_issuer.batch.exit_codes import ExitCode, first_of_files
from batch_issuer.reports import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What became of one file in a pass."""

    name: str
    place: Path | None = None
    """Where it was moved; None where it stays in the folder, or was taken away by somebody."""
    reports: Path | None = None
    """The folder beside it that holds its reports."""
    batch: str = ""
    """Its batch; none where the file was refused before it was one."""
    summary: Summary | None = None
    problem: str = ""
    """Why it was refused or is not finished, in plain words."""
    exit_code: ExitCode
    next_command: str = ""
    is_resumed: bool = False
    """Its batch was begun in an earlier pass."""

    def as_json(self) -> dict[str, Any]:
        """Write it for programs."""
        return {
            "file": self.name,
            "place": None if self.place is None else str(self.place),
            "reports": None if self.reports is None else str(self.reports),
            "batch": self.batch,
            "exit_code": int(self.exit_code),
            "problem": self.problem,
            "next_command": self.next_command,
            "resumed": self.is_resumed,
            "summary": None if self.summary is None else self.summary.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """What one pass did."""

    files: tuple[FileResult, ...] = ()
    """Files that came to an end, or were begun, in this pass; those of resumed batches first."""
    refreshed: tuple[Summary, ...] = ()
    """Batches of earlier passes whose states were asked for again."""
    waiting: tuple[str, ...] = ()
    """Files that are not complete yet."""
    message: str = ""
    """Why the pass ended before all files were taken, where it did."""
    stopped: ExitCode | None = None
    """What that ending means for the exit code."""
    again_in: float | None = None
    """Seconds after which a waiting file may be complete, where that is known."""

    @property
    def resumed(self) -> tuple[Summary, ...]:
        """The batches of earlier passes that this one went on with."""
        return tuple(file.summary for file in self.files if file.is_resumed and file.summary is not None)

    @property
    def exit_code(self) -> ExitCode:
        """The first of 1, 6, 5, 4, 0 over files and refreshed batches; a refused file counts as 4."""
        codes = [file.exit_code for file in self.files] + [one.exit_code for one in self.refreshed]
        return first_of_files(codes if self.stopped is None else [*codes, self.stopped])

    @property
    def has_news(self) -> bool:
        """Whether anything happened that somebody may want to know."""
        return bool(self.files or self.refreshed or self.message)

    def as_json(self) -> dict[str, Any]:
        """Write it for programs."""
        return {
            "files": [file.as_json() for file in self.files],
            "refreshed": [summary.as_json() for summary in self.refreshed],
            "waiting": list(self.waiting),
            "message": self.message,
            "exit_code": int(self.exit_code),
        }
