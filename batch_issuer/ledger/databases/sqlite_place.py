"""The place of a ledger's file: a folder on a disk of this machine that takes new files."""

import os
from pathlib import Path
from typing import Final

from batch_issuer.errors import UsageError
from batch_issuer.ledger.databases.file_systems import mounts, network_kind

_CHANGE: Final = os.R_OK | os.W_OK
_ADD: Final = os.R_OK | os.W_OK | os.X_OK


def without_links(path: Path) -> Path:
    """Return the absolute path that SQLite takes for a file: its log lies beside that, not beside a link."""
    return Path(os.path.realpath(path))


def prepare_place(file: Path, name: str) -> None:
    """Make a file's folder where it is missing. Raises UsageError where the file can't be kept there.

    `file` is free of links; `name` names the ledger in errors.
    """
    _refuse_network(file, name)
    _make_folder(file.parent)
    _refuse_unwritable(file, name)


def check_place(file: Path, name: str) -> None:
    """Do as `prepare_place` does, but make nothing: a folder that is missing must be one that can be made."""
    _refuse_network(file, name)
    if file.parent.exists():
        _refuse_unwritable(file, name)
        return
    above = next(folder for folder in file.parents if folder.exists())
    if not (above.is_dir() and _may(above, _ADD)):
        raise UsageError(f"the ledger's folder {file.parent} can't be made; let {above} be written")


def _refuse_network(file: Path, name: str) -> None:
    kind = network_kind(file, mounts())
    if kind is not None:
        raise UsageError(
            f"the ledger {name} is on a network file system ({kind}), where SQLite may lose what it "
            "wrote; keep it on a local disk and name that with --ledger, "
            "or share it with --ledger postgresql://USER@HOST/NAME"
        )


def _refuse_unwritable(file: Path, name: str) -> None:
    if not _may(file.parent, _ADD):
        raise UsageError(
            f"the ledger's folder {file.parent} can't be written, and SQLite keeps a log there; "
            "let it be written, or name a ledger elsewhere with --ledger"
        )
    if file.exists() and not file.is_file():
        raise UsageError(f"the ledger {name} can't be opened (it is no file)")
    if file.exists() and not _may(file, _CHANGE):
        raise UsageError(
            f"the ledger {name} can't be read and written; let it be written, or name another with --ledger"
        )


def _may(path: Path, mode: int) -> bool:
    # SQLite would open without a word what it may only read, and fail at the first write
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _make_folder(folder: Path) -> None:
    """Make a folder that outlasts a power loss, as what is written into it does."""
    try:
        missing = [made for made in (folder, *folder.parents) if not made.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            parent = os.open(made.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
    except OSError as exc:
        raise UsageError(f"the ledger's folder {folder} can't be made ({exc.strerror})") from exc
