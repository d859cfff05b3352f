"""The files of a batch in its folder: which are ours, how large they are, and how they are removed."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from batch_issuer.reports.files import REPORTS, sync_folder

INPUTS: Final = ("input.csv", "input.xlsx", "input.parquet")
_MARKS: Final = (".sent", ".reports.lock")
_OURS: Final = frozenset({*REPORTS, *INPUTS, *_MARKS})
_PART: Final = re.compile(r"\.(.+)\.[0-9]+\.part")


def size_of(folder: Path) -> int:
    """Return how many bytes the files of a batch take; of somebody else's files none."""
    if not _is_folder(folder):
        return 0
    with _opened(folder) as opened:
        return sum(_size(name, opened) for name in _ours_in(opened))


def has_files(folder: Path) -> bool:
    """Tell whether a folder holds anything of a batch, or is an empty folder that is left of one."""
    if not _is_folder(folder):
        return False
    with _opened(folder) as opened:
        return bool(_ours_in(opened)) or not _names_in(opened)


def remove_files(folder: Path) -> bool:
    """Remove the files of a batch, and its folder unless somebody else's files are left there.

    Returns whether the folder is gone. Nothing outside it is touched: a folder that is a link is left alone.
    Raises OSError.
    """
    if not _is_folder(folder):
        return not folder.is_symlink()
    with _opened(folder) as opened:
        for name in _ours_in(opened):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=opened)
        if _names_in(opened):
            return False
    folder.rmdir()
    sync_folder(folder.parent)
    return True


def _is_folder(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _is_ours(name: str) -> bool:
    part = _PART.fullmatch(name)
    return (part[1] if part else name) in _OURS


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Hold a folder itself: whatever its name leads to later, only what is in it is looked at."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _ours_in(opened: int) -> list[str]:
    """Name the files and links of ours; a folder of such a name is not ours."""
    names = [name for name in _names_in(opened) if _is_ours(name)]
    return sorted(name for name in names if not stat.S_ISDIR(_stat(name, opened).st_mode))


def _names_in(opened: int) -> list[str]:
    return os.listdir(opened)


def _size(name: str, opened: int) -> int:
    return _stat(name, opened).st_size


def _stat(name: str, opened: int) -> os.stat_result:
    return os.stat(name, dir_fd=opened, follow_symlinks=False)
