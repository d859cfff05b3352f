"""Files for the visitor: of the right kind, to be kept and not shown, under a name of ours."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from batch_issuer.ledger import Batch
from batch_issuer.ledger.audit import Action
from batch_issuer.web.console import console_of
from batch_issuer.web.visitors import note

_TYPES: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
_LONGEST_PATH: Final = 200
_TEXT: Final = frozenset({"csv", "json", "html"})


def type_of(name: str) -> str:
    """Return the type of one of our files."""
    return _TYPES[_ending(name)]


def send_file(path: Path, *, name: str) -> web.StreamResponse:
    """Answer with a file; `name` is ours. Raises HTTPNotFound where there is none."""
    if not path.is_file():
        raise web.HTTPNotFound(text="There is no such file: nothing has been written to it.")
    content_type = type_of(name) + ("; charset=utf-8" if _ending(name) in _TEXT else "")
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"', hdrs.CONTENT_TYPE: content_type}
    return web.FileResponse(path, headers=headers)


async def send_batch_file(request: web.Request, batch: Batch, names: Collection[str]) -> web.StreamResponse:
    """Answer with the file of a batch that the address names, if it is one of some. Raises HTTPNotFound."""
    name = request.match_info["name"]
    if name not in names:
        detail: dict[str, object] = {"path": request.path[:_LONGEST_PATH], "why": "no name of a batch's file"}
        await note(request, Action.REQUEST_REFUSED, about=batch.batch, detail=detail)
    path = console_of(request).settings.output / batch.batch / name
    if name not in names or not path.is_file():
        raise web.HTTPNotFound(text="The batch has no such file (yet); it tells which files it has.")
    await note(request, Action.FILE_DOWNLOADED, about=batch.batch, detail={"file": name})
    return send_file(path, name=f"{batch.batch}-{name}")


def _ending(name: str) -> str:
    return name.rpartition(".")[2]
