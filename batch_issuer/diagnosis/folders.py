"""Checks of the output folder and the disks: can files be written, synced and replaced, and is there room."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from batch_issuer.diagnosis.findings import Finding, Findings, ok, problem, warning
from batch_issuer.errors import OutputNotWritable
from batch_issuer.reports.files import sync_folder

_SCARCE_BYTES: Final = 10**9
_FULL_BYTES: Final = 10**8
_UNIT: Final = 10**9


def check_folders(output: Path, *others: Path) -> Findings:
    """Check the output folder, and the room on its disk and on those of other folders."""
    try:
        return [_check_output(output), *_check_disks([output, *others])]
    except OSError as exc:
        return [problem("output", str(OutputNotWritable(output, exc.strerror)))]


def _check_output(output: Path) -> Finding:
    if output.exists():
        _try_out(output)
        return ok("output", f"{output} can be written")
    above = _existing(output)
    by_whom_we_are = os.access in os.supports_effective_ids
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK, effective_ids=by_whom_we_are)):
        return problem("output", str(OutputNotWritable(output, f"{above} can't be written")))
    return ok("output", f"{output} is not there yet; the first command makes it")


def _try_out(folder: Path) -> None:
    """Do to a file what is done to each file of a batch, and leave nothing behind. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=".doctor-", dir=folder)
    written, replaced = Path(name), Path(f"{name}.renamed")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"a file to try the folder out\n")
            file.flush()
            os.fsync(file.fileno())
        written.rename(replaced)
        sync_folder(folder)
    finally:
        for path in (written, replaced):
            with suppress(FileNotFoundError):
                path.unlink()


def _check_disks(folders: Iterable[Path]) -> Iterator[Finding]:
    """Check each disk once."""
    disks = {folder.stat().st_dev: folder for folder in map(_existing, folders)}
    return (judge_room(shutil.disk_usage(folder).free, folder) for folder in disks.values())


def judge_room(free: int, folder: Path) -> Finding:
    """Say whether so many bytes are enough."""
    found = f"{free / _UNIT:,.1f} GB free for {folder}"
    if free < _FULL_BYTES:
        return problem("disk", found, "make room: a full disk stops a batch")
    if free < _SCARCE_BYTES:
        return warning("disk", found, "make room before large files")
    return ok("disk", found)


def _existing(path: Path) -> Path:
    """Return a folder, or the nearest above it that is there."""
    real = path.absolute()
    return next(folder for folder in (real, *real.parents) if folder.exists())
