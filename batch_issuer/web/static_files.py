"""The files that pages need: read once, known by name, and never looked up on the disk for a visitor."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import hdrs, web

_TYPES: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "md": "text/plain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file, and what its address carries so that a browser may keep it for good."""

    content: bytes
    content_type: str
    digest: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Read all of them."""
    return dict(_read(files("batch_issuer.web") / "static", ""))


def _read(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _read(entry, f"{name}/")
        elif (kind := _TYPES.get(name.rpartition(".")[2])) is not None:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            found.append((name, StaticFile(content=content, content_type=kind, digest=digest)))
    return found


def static_url(name: str) -> str:
    """Return the address of a file; it changes with what the file holds."""
    return f"/static/{name}?v={static_files()[name].digest}"


async def serve_static(request: web.Request) -> web.Response:
    """Answer with one of the files."""
    file = static_files().get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound
    is_current = request.query.get("v") == file.digest
    keep = "public, max-age=31536000, immutable" if is_current else "no-cache"
    return web.Response(
        body=file.content, content_type=file.content_type, charset="utf-8", headers={hdrs.CACHE_CONTROL: keep}
    )
