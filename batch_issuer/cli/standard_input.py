"""Files that are on no path: standard input and URLs, kept in a temporary file while they are read."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

import typer

from batch_issuer.errors import InputRefused, OutputNotWritable
from batch_issuer.intake.copying import no_more_than
from batch_issuer.intake.downloading import FileUrl, download
from batch_issuer.intake.kinds import FileKind, kind_of

_NAME: Final = "standard input"
"""What messages and reports call it."""
_PART: Final = 1 << 20


@contextmanager
def input_file(file: str | Path, *, max_bytes: int) -> Iterator[Path]:
    """Give the file to read: itself, for `-` a file with what standard input holds, for a URL a copy.

    Raises InputRefused where it is larger than `max_bytes`, or standard input holds no text, what
    downloading raises, and OutputNotWritable where there is no room for it.
    """
    url = FileUrl.parse(str(file))
    if url is None and str(file) != "-":
        yield Path(file)
        return
    folder = Path(tempfile.mkdtemp(prefix="batch-issuer-"))
    try:
        path = folder / (_NAME if url is None else url.name)
        if url is not None:
            download(url, path, max_bytes=max_bytes)
        else:
            _spool(sys.stdin.buffer, path, max_bytes)
            if kind_of(path) is not FileKind.TEXT:
                raise InputRefused("standard input is read as text; name any other kind of file by its path")
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown_file(file: str) -> str:
    """Write a file's name for people: of a URL without what may be a secret."""
    url = FileUrl.parse(file)
    return url.shown if url else file


def _spool(stream: IO[bytes], path: Path, max_bytes: int) -> None:
    if stream.isatty():
        typer.echo("Reading what you type; end it with Ctrl-D.", err=True)
    parts = iter(partial(stream.read, _PART), b"")
    try:
        with path.open("xb") as file:
            file.writelines(no_more_than(parts, max_bytes, name=_NAME))
    except OSError as exc:
        raise OutputNotWritable(path.parent, exc.strerror) from exc
