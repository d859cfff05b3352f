"""Files that are only for their owner: written beside their place, and moved there once they are complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batch_issuer.errors import UsageError
from batch_issuer.reports.files import sync_folder


@contextmanager
def placed(path: Path, *, may_replace: bool = False) -> Iterator[Path]:
    """Yield an empty file beside a place; on success it is synced and moved there, else it is removed.

    Only its owner may read it. Raises UsageError where there is a file already, also one that came
    meanwhile, or where none can be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    if path.exists() and not may_replace:
        raise _taken(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            beside.unlink()
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield beside
            _move(beside, path, may_replace=may_replace)
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError as exc:
        raise _taken(path) from exc
    except OSError as exc:
        raise UsageError(f"{path} can't be written ({exc.strerror})") from exc


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} is there already; choose another place with --to PATH")


def _move(beside: Path, path: Path, *, may_replace: bool) -> None:
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    if may_replace:
        beside.replace(path)
    else:
        _move_to_nothing(beside, path)
    sync_folder(path.parent)


def _move_to_nothing(beside: Path, path: Path) -> None:
    """Move a file; unlike a plain move, fail where one came meanwhile."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError from None
        beside.replace(path)
