"""Copies an input file into a folder of its own, durably: every later step reads that copy."""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batch_issuer.errors import InputRefused, OutputNotWritable, UsageError

COPY_NAME: Final = "input.csv"
_PART: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedInput:
    """A copy in a folder that has no batch id yet."""

    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        """Where the copy is."""
        return self.folder / COPY_NAME

    def discard(self) -> None:
        """Remove the copy: the file was not accepted."""
        shutil.rmtree(self.folder, ignore_errors=True)


def stage_input(file: Path, *, output: Path, max_bytes: int) -> StagedInput:
    """Copy a file below the output folder, synced, and digest it on the way.

    Raises UsageError where there is no such file, InputRefused where it is empty or too large, and
    OutputNotWritable.
    """
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise UsageError(f"the input file {file} {what}")
    try:
        output.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=output))
        folder.chmod(0o755)
    except OSError as exc:
        raise OutputNotWritable(output, exc.strerror) from exc
    try:
        digest = _copy(file, folder / COPY_NAME, max_bytes)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return StagedInput(folder=folder, sha256=digest)


def file_sha256(path: Path) -> str:
    """Digest a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path, target: Path, max_bytes: int) -> str:
    digest = hashlib.sha256()
    size = 0
    try:
        readable = source.open("rb")
    except OSError as exc:
        raise UsageError(f"the input file {source} can't be read ({exc.strerror})") from exc
    try:
        with readable, target.open("xb") as copy:
            while part := readable.read(_PART):
                size += len(part)
                if size > max_bytes:
                    raise InputRefused(f"{source.name} is larger than {max_bytes:,} bytes; split it")
                digest.update(part)
                copy.write(part)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as exc:
        raise OutputNotWritable(target.parent.parent, exc.strerror) from exc
    if not size:
        raise InputRefused(f"{source.name} is empty")
    return digest.hexdigest()
