"""Files for the visitor: of the right kind, to be kept and not shown, under a name of ours."""

from pathlib import Path

from aiohttp import hdrs, web


def send_file(path: Path, *, name: str, content_type: str) -> web.StreamResponse:
    """Answer with a file; `name` is ours. Raises HTTPNotFound where there is none."""
    if not path.is_file():
        raise web.HTTPNotFound(text="There is no such file: nothing has been written to it.")
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"', hdrs.CONTENT_TYPE: content_type}
    return web.FileResponse(path, headers=headers)
