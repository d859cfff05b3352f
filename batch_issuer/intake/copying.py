"""Copies an input file into a folder of its own, durably: every later step reads that copy."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from batch_issuer.errors import InputRefused, OutputNotWritable, StillChanging, UsageError
from batch_issuer.intake.kinds import FileKind, kind_of

_COPIES: Final = {kind: f"input.{kind}" for kind in FileKind}
_PART: Final = 1 << 20
_INCOMING: Final = ".incoming-"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedInput:
    """A copy in a folder that has no batch id yet."""

    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        """Where the copy is."""
        return copy_in(self.folder)

    def discard(self) -> None:
        """Remove the copy: the file was not accepted."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A file as it stood at one moment: two looks that differ tell that somebody wrote to it."""

    size: int
    changed_at: int
    """Nanoseconds since 1970, by the clock of whoever keeps the file."""

    @classmethod
    def at(cls, path: Path) -> Self:
        """Look at a file. Raises OSError where it is not there."""
        status = path.lstat()
        return cls(size=status.st_size, changed_at=status.st_mtime_ns)


def copy_in(folder: Path) -> Path:
    """Return where a folder has its copy: people open it by its name, so that tells the kind of file."""
    copies = [folder / name for name in _COPIES.values()]
    return next((path for path in copies if path.exists()), folder / _COPIES[FileKind.TEXT])


def stage_input(file: Path, *, output: Path, max_bytes: int, look: Look | None = None) -> StagedInput:
    """Copy a file below the output folder, synced, and digest it on the way.

    Raises UsageError where there is no such file, InputRefused where it is empty or too large,
    StillChanging where it does not stand as at an earlier `look`, and OutputNotWritable.
    """
    check_file(file, max_bytes=max_bytes)
    try:
        output.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=output))
        folder.chmod(0o755)
    except OSError as exc:
        raise OutputNotWritable(output, exc.strerror) from exc
    try:
        digest = _copy(file, folder / _COPIES[kind_of(file)], max_bytes)
        if look is not None:
            _refuse_changed(file, look)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return StagedInput(folder=folder, sha256=digest)


def remove_leftovers(output: Path, *, before: datetime) -> None:
    """Remove copies that have no batch id and were begun before an instant: nobody works on them any more."""
    for folder in output.glob(f"{_INCOMING}*"):
        with suppress(OSError):  # another process has removed it meanwhile
            if folder.stat().st_mtime < before.timestamp():
                shutil.rmtree(folder, ignore_errors=True)


def file_sha256(path: Path) -> str:
    """Digest a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(file: Path, *, max_bytes: int) -> None:
    """Raise UsageError where there is no such file, and InputRefused where it is too large."""
    try:
        if file.is_file():
            return _refuse_larger(file.name, file.stat().st_size, max_bytes)
        what = "is a folder" if file.is_dir() else "is no file" if file.exists() else "does not exist"
    except OSError as exc:
        what = f"can't be read ({exc.strerror})"
    raise UsageError(f"the input file {file} {what}")


def no_more_than(parts: Iterable[bytes], max_bytes: int, *, name: str) -> Iterator[bytes]:
    """Pass on the parts of a file that messages call `name`. Raises InputRefused where it is too large."""
    size = 0
    for part in parts:
        size += len(part)
        _refuse_larger(name, size, max_bytes)
        yield part


def _refuse_larger(name: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InputRefused(f"{name} is larger than {max_bytes:,} bytes; split it")


def _refuse_changed(file: Path, look: Look) -> None:
    try:
        is_same = Look.at(file) == look
    except OSError:
        is_same = False
    if not is_same:
        raise StillChanging(file)


def _copy(source: Path, target: Path, max_bytes: int) -> str:
    digest = hashlib.sha256()
    try:
        with target.open("xb") as copy:
            for part in no_more_than(_parts(source), max_bytes, name=source.name):
                digest.update(part)
                copy.write(part)
            size = copy.tell()
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as exc:
        raise OutputNotWritable(target.parent.parent, exc.strerror) from exc
    if not size:
        raise InputRefused(f"{source.name} is empty")
    return digest.hexdigest()


def _parts(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as readable:
            while part := readable.read(_PART):
                yield part
    except OSError as exc:
        raise UsageError(f"the input file {source} can't be read ({exc.strerror})") from exc
