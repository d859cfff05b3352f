"""Moves a file to where it goes, and its reports beside it; never over another file, never changed."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path
from typing import Final

from batch_issuer.intake.copying import Look, file_sha256
from batch_issuer.reports.files import REPORTS, copy_whole, replaced_whole, sync_folder

DONE: Final = "done"
REFUSED: Final = "refused"
PROBLEM: Final = "problem.txt"
_REPORTS_OF: Final = ".reports"
_KEPT: Final = b"batch_issuer keeps this name for a file that it is about to move here\n"


class Moved(StrEnum):
    """What became of a file that was to be moved."""

    THERE = auto()
    """It is where it goes, by now or since an earlier try."""
    REPLACED = auto()
    """Another file has its name by now: that stays."""
    GONE = auto()
    """Somebody took it away."""


class PlaceTaken(Exception):
    """Another file is where this one should go: choose another place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file must hold to be the one that was issued."""

    sha256: str

    def is_in(self, path: Path) -> bool:
        """Tell whether a file holds it. Raises OSError."""
        return file_sha256(path) == self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a file must stand to be the one that was refused."""

    look: Look

    def is_in(self, path: Path) -> bool:
        """Tell whether a file stands so. Raises OSError."""
        return Look.at(path) == self.look


def reports_of(place: Path) -> Path:
    """Return the folder of a file's reports: its whole name leads, for `a.csv` and `a.xlsx` are two."""
    return place.with_name(place.name + _REPORTS_OF)


def free_place(folder: Path, kind: str, name: str, distinct: str) -> str:
    """Choose where in a folder a file goes: below `kind` by its own name, or by one that is free.

    Raises OSError where there can be no such folder.
    """
    (folder / kind).mkdir(exist_ok=True)
    places = (f"{kind}/{candidate}" for candidate in _names(name, distinct))
    return next(place for place in places if _is_free(folder / place))


def _names(name: str, distinct: str) -> Iterator[str]:
    yield name
    stem, suffix = Path(name).stem, Path(name).suffix
    yield f"{stem}-{distinct}{suffix}"
    number = 2
    while True:
        yield f"{stem}-{distinct}-{number}{suffix}"
        number += 1


def _is_free(place: Path) -> bool:
    if os.path.lexists(place) and not _is_kept(place):
        return False
    try:
        left = {path.name for path in reports_of(place).iterdir() if not _is_part(path)}
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    return left <= {PROBLEM}  # told of a file that a kill kept from coming after it


def _is_part(path: Path) -> bool:
    """Tell what a killed process left of a report: nobody else writes there."""
    return path.name.startswith(".") and path.suffix == ".part"


def move(source: Path, place: Path, expected: Content | Standing) -> Moved:
    """Move a file to its place, where it is the expected one; done again, it finds all of it done.

    Raises PlaceTaken, and OSError.
    """
    if os.path.lexists(place) and not _is_kept(place):
        if not expected.is_in(place):
            raise PlaceTaken
        return Moved.THERE
    if not _is_expected(source, expected):
        _give_up(place)
        return Moved.REPLACED if os.path.lexists(source) else Moved.GONE
    before = Look.at(source)
    _keep(place)
    source.rename(place)
    if Look.at(place) != before:  # another file came in that instant: it is no file of ours
        _put_back(place, source)
        return Moved.REPLACED
    sync_folder(place.parent)
    sync_folder(source.parent)
    return Moved.THERE


def _is_kept(place: Path) -> bool:
    """Tell whether a place is only kept: by this process, or by one that was killed."""
    try:
        return place.lstat().st_size == len(_KEPT) and place.read_bytes() == _KEPT
    except FileNotFoundError:
        return False


def _is_expected(source: Path, expected: Content | Standing) -> bool:
    """Tell whether a file is the one that is meant, and was so while that was found out."""
    try:
        before = Look.at(source)
        return expected.is_in(source) and Look.at(source) == before
    except FileNotFoundError:
        return False


def _keep(place: Path) -> None:
    """Keep a name with a file that the real one replaces: no other can come in between."""
    if not _is_kept(place):
        with place.open("xb") as file:
            file.write(_KEPT)


def _give_up(place: Path) -> None:
    if _is_kept(place):
        place.unlink()


def _put_back(place: Path, source: Path) -> None:
    with suppress(FileExistsError):  # a third one has its name: then this one stays where it is
        _keep(source)
        place.rename(source)


def move_marker(marker: Path, target: Path) -> None:
    """Move the marker of a file along. Raises OSError."""
    with suppress(FileNotFoundError):  # somebody took it away
        marker.rename(target)


def _make(reports: Path) -> None:
    reports.mkdir(parents=True, exist_ok=True)
    for left in filter(_is_part, reports.iterdir()):
        left.unlink(missing_ok=True)


def copy_reports(batch_folder: Path, reports: Path) -> None:
    """Copy a batch's reports, each whole; what the batch no longer has goes. Raises OSError."""
    _make(reports)
    for name in REPORTS:
        source = batch_folder / name
        if source.exists():
            copy_whole(source, reports / name)
        else:
            (reports / name).unlink(missing_ok=True)
    sync_folder(reports.parent)


def write_problem(reports: Path, text: str) -> None:
    """Say beside a file why it was refused. Raises OSError."""
    _make(reports)
    with replaced_whole(reports / PROBLEM) as file:
        file.write(text)
