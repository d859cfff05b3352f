"""Brings a file that a URL names to this machine: object storage, and whatever else fsspec knows."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Self
from urllib.parse import unquote

from batch_issuer.errors import BatchIssuerError, NotFinished, OutputNotWritable, UsageError
from batch_issuer.intake.copying import no_more_than

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/]*)(.*)", re.DOTALL)
_HOST: Final = re.compile(r"[^:]*(:[0-9]*)?")
"""A server, a bucket, or `container@account`: what stands behind a colon is a port, not a password."""
_WEB: Final = frozenset({"http", "https"})
_PART: Final = 1 << 20
_LONGEST_NAME: Final = 255
_EXTRA: Final = 'pip install "batch_issuer[cluster]"'
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUrl:
    """Where a file is that is not on this machine."""

    url: str
    shown: str
    """The same without what may be a secret: of a signed URL the part that signs it."""
    scheme: str
    name: str
    """Its last part: so the file is called."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what a user calls a file; None where it is no URL.

        Raises UsageError for a URL with a password, and one that names no file.
        """
        found = _URL.fullmatch(text)
        if found is None:
            return None
        scheme, host, path = found[1].lower(), found[2], found[3]
        if "::" in text or not text.isprintable():
            raise UsageError(f"the {scheme}:// URL is none of a single file")
        if _HOST.fullmatch(host) is None or "@" in host.partition(":")[2]:
            raise UsageError(
                f"the {scheme}:// URL holds a password, or its server's name is wrong; leave credentials to "
                "the environment, where the library of the store finds them"
            )
        path = re.split(r"[?#]", path)[0] if scheme in _WEB else path
        name = PurePosixPath(unquote(path) if scheme in _WEB else path or host).name
        if not name or path.endswith("/") or name == ".." or len(os.fsencode(name)) > _LONGEST_NAME:
            raise UsageError(f"{scheme}://{host}{path} names no file")
        return cls(url=text, shown=f"{scheme}://{host}{path}", scheme=scheme, name=name)


def download(url: FileUrl, target: Path, *, max_bytes: int) -> None:
    """Copy a file to a path that is free.

    Raises UsageError where there is none, it may not be read, or what reads such a URL is not installed;
    InputRefused where it is larger than `max_bytes`, NotFinished where it breaks off, and OutputNotWritable.
    """
    remote = _told(url, lambda: _open(url))
    parts = iter(lambda: _told(url, lambda: remote.read(_PART), has_begun=True), b"")
    try:
        with target.open("xb") as copy:
            copy.writelines(no_more_than(parts, max_bytes, name=url.name))
            size = copy.tell()
    except OSError as exc:
        raise OutputNotWritable(target.parent, exc.strerror) from exc
    finally:
        remote.close()
    told = getattr(remote, "size", None)
    if isinstance(told, int) and size < told:
        raise _broken_off(url, f"{size:,} of {told:,} bytes came")


def _open(url: FileUrl) -> IO[bytes]:
    try:
        import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - of an extra
    except ImportError as exc:
        raise UsageError(f"{url.shown} can't be read without the extra cluster: {_EXTRA}") from exc
    try:
        fsspec.get_filesystem_class(url.scheme)
    except ImportError as exc:
        raise UsageError(f"{url.shown} can't be read yet: {exc}") from exc
    except ValueError as exc:
        raise UsageError(f"{url.shown}: there is no kind of URL {url.scheme}://") from exc
    opened: IO[bytes] = fsspec.open(url.url, "rb", compression=None).open()
    return opened


def _told(url: FileUrl, step: Callable[[], Any], *, has_begun: bool = False) -> Any:  # noqa: ANN401 - no types
    """Do a step, and turn what it raises into one clear line: libraries raise whatever they like.

    What they say is not passed on, for it may hold the URL with all that signs it.
    """
    try:
        return step()
    except BatchIssuerError:
        raise
    except Exception as exc:
        if has_begun:
            raise _broken_off(url, type(exc).__name__) from exc
        raise UsageError(f"the input file {url.shown} {_why(exc)}") from exc


def _why(exc: Exception) -> str:
    # any answer of a web server but a good one comes as a missing file
    status = getattr(exc, "status", getattr(exc.__cause__, "status", None))
    if isinstance(exc, PermissionError) or status in {_UNAUTHORIZED, _FORBIDDEN}:
        return "can't be read: no permission with the credentials that were found"
    if isinstance(exc, FileNotFoundError) and status in {None, _NOT_FOUND}:
        return "does not exist"
    if isinstance(exc, IsADirectoryError):
        return "is a folder"
    return f"can't be read ({type(exc).__name__ if status is None else f'HTTP {status}'})"


def _broken_off(url: FileUrl, why: str) -> NotFinished:
    return NotFinished(f"{url.shown} broke off while it was read ({why}); nothing was sent: try again")
