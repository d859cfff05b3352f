"""A watched folder: whose it is, and which files in it are there and complete."""

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Final

from batch_issuer.addresses import without_password
from batch_issuer.assembly import Services
from batch_issuer.errors import UsageError
from batch_issuer.inbox.defaults import DEFAULTS
from batch_issuer.intake.copying import Look
from batch_issuer.ledger.inbox import knows_lease

MARKER: Final = ".batch_issuer"
"""Holds the folder's id: claims of its files are known by that, whatever path a machine mounts it at."""
SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt", ".xlsx", ".parquet"})
_UNFINISHED: Final = (".part", ".tmp", ".crdownload", ".filepart")
"""How programs end the names of files that they still write."""
_NANOSECONDS: Final = 1_000_000_000
_LONGEST_NAME: Final = 200
"""Bytes; what is added to it must still fit into the 255 that file systems allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """A folder that belongs to one ledger."""

    path: Path
    id: str

    def file_id(self, name: str) -> str:
        """Return what the ledger calls a file of the folder."""
        return f"{self.id}/{name}"


def lease_of(file_id: str) -> str:
    """Name the lease of a file, or of a folder: whoever holds it has claimed it."""
    return f"inbox {file_id}"


def check_folder(path: Path) -> None:
    """Raise UsageError where there is no folder that can be worked on."""
    try:
        if not path.is_dir():
            what = "is no folder" if path.exists() else "does not exist"
            raise UsageError(f"the folder {path} {what}")
    except OSError as exc:
        raise UsageError(f"the folder {path} can't be read ({exc.strerror})") from exc
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(
            f"the folder {path} can't be written: files are moved within it; give this user the right to"
        )


async def open_inbox(services: Services, path: Path) -> Inbox:
    """Find out whose folder it is, and make it this ledger's where it is nobody's.

    Raises UsageError for a folder of another ledger: that alone knows what was sent from there.
    """
    check_folder(path)
    folder_id = _read_marker(path)
    if folder_id is None:
        # known to the ledger first: whoever reads the marker must find it there
        fresh = secrets.token_hex(8)
        async with services.lease(lease_of(fresh)):
            folder_id = _write_marker(path, fresh)
    _tidy(path)
    if not await services.ledger.read(knows_lease, lease_of(folder_id)):
        ledger = without_password(services.settings.ledger_url)
        raise UsageError(
            f"the folder {path} was worked on with another ledger than {ledger}: without that nobody knows "
            f"what was sent. Name it with --ledger; where it is lost for good, delete {path / MARKER}"
        )
    return Inbox(path=path, id=folder_id)


def _tidy(path: Path) -> None:
    """Remove what a killed process left beside the marker."""
    for left in path.glob(f"{MARKER}.*.part"):
        with suppress(OSError):
            left.unlink()


def _read_marker(path: Path) -> str | None:
    marker = path / MARKER
    try:
        text = marker.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{marker} can't be read ({exc}); restore or delete it") from exc
    if len(text) != len(secrets.token_hex(8)) or not set(text) <= set("0123456789abcdef"):
        raise UsageError(f"{marker} does not hold the id of a folder; restore or delete it")
    return text


def _write_marker(path: Path, folder_id: str) -> str:
    """Mark the folder, unless another process has just done so; return the id that counts."""
    beside = path / f"{MARKER}.{folder_id}.part"
    try:
        beside.write_text(folder_id + "\n", "ascii")
        try:
            with suppress(FileExistsError):
                os.link(beside, path / MARKER)
        except OSError:  # a file system without links
            with suppress(FileExistsError), (path / MARKER).open("x", encoding="ascii") as marker:
                marker.write(folder_id + "\n")
        beside.unlink(missing_ok=True)
    except OSError as exc:
        raise UsageError(f"the folder {path} can't be written ({exc.strerror})") from exc
    return _read_marker(path) or folder_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """When a file counts as complete."""

    min_age: float = 60.0
    """So many seconds nobody has written to it."""
    done_marker: str = ""
    """Instead: a file of its name, and this behind, is there."""

    def __post_init__(self) -> None:
        if self.done_marker and (os.sep in self.done_marker or self.done_marker.lower() in SUFFIXES):
            raise UsageError(f"--done-marker {self.done_marker!r}: write what stands behind a name, as .done")

    def marks(self, path: Path) -> tuple[Path, ...]:
        """Return the markers that may stand for a file."""
        if not self.done_marker:
            return ()
        return (path.with_name(path.name + self.done_marker), path.with_name(path.stem + self.done_marker))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that may be taken, as it stood when it was seen."""

    name: str
    look: Look


@dataclass(slots=True, kw_only=True)
class Contents:
    """What a folder holds."""

    complete: list[Found] = field(default_factory=list)
    """The oldest first."""
    growing: list[Found] = field(default_factory=list)
    """Not complete yet, or not known to be."""
    ahead: dict[str, Look] = field(default_factory=dict)
    """Those of them whose time lies in the future: only a second look tells whether they grow."""
    unnamable: list[str] = field(default_factory=list)
    """Files whose names can't be kept, escaped."""
    others: list[str] = field(default_factory=list)
    """What is no input file."""
    again_in: float | None = None
    """Seconds after which the next file is old enough."""


def look_around(
    path: Path, rule: Completeness, now: datetime, earlier: Mapping[str, Look] | None = None
) -> Contents:
    """See which files of a folder may be taken. Raises UsageError where it can't be read.

    `earlier` is how the files whose time lies in the future stood a while ago.
    """
    contents = Contents()
    try:
        entries = sorted(_regular_files(path))
    except OSError as exc:
        raise UsageError(f"the folder {path} can't be read ({exc.strerror})") from exc
    inputs = []
    for name, look in entries:
        kind = kind_of(name, rule)
        if kind is Kind.OTHER:
            contents.others.append(_shown(name))
        elif kind is Kind.INPUT and not _is_plain(name):
            contents.unnamable.append(_shown(name))
        elif kind is Kind.INPUT:
            inputs.append(Found(name=name, look=look))
    if rule.done_marker:
        _sort_by_marker(contents, inputs, path, rule)
    else:
        _sort_by_age(contents, inputs, rule.min_age, now, earlier or {})
    contents.complete.sort(key=lambda found: (found.look.changed_at, found.name))
    return contents


class Kind(Enum):
    """What a file in the folder is."""

    INPUT = auto()
    OTHER = auto()
    """No input, and left alone."""
    IGNORED = auto()
    """Hidden, half written or a marker: nobody needs to hear of it."""


def kind_of(name: str, rule: Completeness) -> Kind:
    """Tell by its name what a file is."""
    lower = name.lower()
    if name.startswith((".", "~$")) or name == DEFAULTS or lower.endswith(_UNFINISHED):
        return Kind.IGNORED
    if rule.done_marker and name.endswith(rule.done_marker):
        return Kind.IGNORED
    return Kind.INPUT if Path(lower).suffix in SUFFIXES else Kind.OTHER


def _regular_files(path: Path) -> Iterator[tuple[str, Look]]:
    with os.scandir(path) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # another process has moved it meanwhile
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield entry.name, Look(size=status.st_size, changed_at=status.st_mtime_ns)


def _sort_by_marker(contents: Contents, inputs: list[Found], path: Path, rule: Completeness) -> None:
    for found in inputs:
        is_marked = marker_of(path / found.name, rule) is not None
        (contents.complete if is_marked else contents.growing).append(found)


def _sort_by_age(
    contents: Contents, inputs: list[Found], min_age: float, now: datetime, earlier: Mapping[str, Look]
) -> None:
    for found in inputs:
        age = now.timestamp() - found.look.changed_at / _NANOSECONDS
        if age >= min_age or earlier.get(found.name) == found.look:
            contents.complete.append(found)
            continue
        contents.growing.append(found)
        if age < 0:
            contents.ahead[found.name] = found.look
        else:
            contents.again_in = min(min_age - age, contents.again_in or min_age)


def marker_of(path: Path, rule: Completeness) -> Path | None:
    """Return the marker that says that a file is complete.

    One that is older than the file was left over from another file of its name.
    """
    for mark in rule.marks(path):
        with suppress(OSError):
            if mark.lstat().st_mtime_ns >= path.lstat().st_mtime_ns:
                return mark
    return None


def left_marker(path: Path, rule: Completeness) -> Path | None:
    """Return the marker that a moved file left behind, unless it speaks for another one as well."""
    if os.path.lexists(path):  # a new file of its name has come, and may have brought it
        return None
    for mark in rule.marks(path):
        if os.path.lexists(mark) and not any(
            mark in rule.marks(other) for other in _inputs(path.parent, rule)
        ):
            return mark
    return None


def _inputs(path: Path, rule: Completeness) -> Iterator[Path]:
    return (path / name for name, _ in _regular_files(path) if kind_of(name, rule) is Kind.INPUT)


def _is_plain(name: str) -> bool:
    try:
        return name.isprintable() and len(name.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _shown(name: str) -> str:
    return name if _is_plain(name) else ascii(name)[1:-1]
