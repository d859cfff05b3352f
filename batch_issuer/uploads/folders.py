"""Where uploads lie: a folder for each, below the output folder."""

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from batch_issuer.errors import InputRefused, OutputNotWritable
from batch_issuer.intake.kinds import FileKind, kind_of
from batch_issuer.reports.files import sync_folder

UPLOADS: Final = ".uploads"
_INCOMING: Final = "incoming"
_ORIGINALS: Final = {kind: f"upload.{kind}" for kind in FileKind}
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFolder:
    """The folder of one upload."""

    path: Path

    @classmethod
    def of(cls, output: Path, upload: str) -> "UploadFolder":
        """Name the folder of an upload, whose id is ours."""
        return cls(path=output / UPLOADS / upload)

    @property
    def original(self) -> Path:
        """The file as it came."""
        files = [self.path / name for name in _ORIGINALS.values()]
        return next((path for path in files if path.exists()), self.path / _ORIGINALS[FileKind.TEXT])

    @property
    def corrected(self) -> Path:
        """The copy in which cells are corrected."""
        return self.path / "corrected.csv"

    @property
    def problems(self) -> Path:
        """The invalid rows with all of their problems."""
        return self.path / "problems.arrow"

    @property
    def rejects(self) -> Path:
        """The invalid rows as a file for the user."""
        return self.path / "rejects.csv"

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)


class Incoming:
    """Writes a file to the disk as it comes; each call may wait for the disk."""

    def __init__(self, folder: UploadFolder, *, name: str, max_bytes: int) -> None:
        """Make the folder. Raises OutputNotWritable."""
        self._folder, self._name, self._max_bytes = folder, name, max_bytes
        self._digest = hashlib.sha256()
        self.size = 0
        try:
            folder.path.mkdir(parents=True)
            self._file: IO[bytes] = (folder.path / _INCOMING).open("xb")
        except OSError as exc:
            raise OutputNotWritable(folder.path.parent.parent, exc.strerror) from exc

    @property
    def sha256(self) -> str:
        """The digest of what came so far."""
        return self._digest.hexdigest()

    def write(self, part: bytes) -> None:
        """Take a part. Raises InputRefused above the limit, and OutputNotWritable."""
        self.size += len(part)
        if self.size > self._max_bytes:
            raise InputRefused(
                f"{self._name} is larger than {self._max_bytes:,} bytes, the most that is taken; "
                "split it, and upload the parts one by one"
            )
        self._digest.update(part)
        try:
            self._file.write(part)
        except OSError as exc:
            raise self._not_written(exc) from exc

    def finish(self) -> str:
        """Make the file durable, and say of which kind it is. Raises InputRefused for one without content."""
        if not self.size:
            raise InputRefused(f"{self._name} is empty")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            incoming = self._folder.path / _INCOMING
            kind = kind_of(incoming)
            incoming.rename(self._folder.path / _ORIGINALS[kind])
            sync_folder(self._folder.path)
            sync_folder(self._folder.path.parent)
        except OSError as exc:
            raise self._not_written(exc) from exc
        return kind.value

    def discard(self) -> None:
        """Remove what came: it is no upload."""
        self._file.close()
        self._folder.remove()

    def _not_written(self, exc: OSError) -> OutputNotWritable:
        reason = "the disk is full" if exc.errno in _NO_ROOM else exc.strerror
        return OutputNotWritable(self._folder.path.parent.parent, reason)


def remove_unknown(output: Path, known: set[str], before: float) -> None:
    """Remove folders that are as old as an upload that is removed, and belong to none."""
    for folder in (output / UPLOADS).glob("*"):
        if folder.name not in known and folder.stat().st_mtime < before:
            UploadFolder(path=folder).remove()
