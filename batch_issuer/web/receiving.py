"""Takes a file from a form while it comes: only a part of it is in memory, and it must not stand still."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import BodyPartReader, web

from batch_issuer.web.guarding import CSRF_FIELD, CSRF_HEADER, refuse_form
from batch_issuer.web.patience import Patience, patiently
from batch_issuer.web.visitors import is_csrf, visitor_of

FILE_FIELD: Final = "file"
LIMIT: Final = "split it, and upload the parts one by one"
_PART: Final = 1 << 16
_TOKEN_CHARS: Final = 200


async def find_file(request: web.Request) -> BodyPartReader | None:
    """Return the file of a form, before any of it is read; None where none was chosen.

    The token of the form stands before it. Raises HTTPForbidden, noted in the audit log, where that is wrong.
    """
    if not request.content_type.startswith("multipart/"):
        await _check(request, "")
        return None
    token = ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == CSRF_FIELD:
            token = (await part.read_chunk(_TOKEN_CHARS)).decode("ascii", "replace")
        elif part.name == FILE_FIELD:
            await _check(request, token)
            return part if part.filename else None
    await _check(request, token)
    return None


async def _check(request: web.Request, token: str) -> None:
    if not is_csrf(visitor_of(request), request.headers.get(CSRF_HEADER) or token):
        await refuse_form(request, "its token is not that of the session")


def parts_of(file: BodyPartReader, patience: Patience, *, most: int) -> AsyncIterator[bytes]:
    """Yield a file as it comes. Raises HTTPRequestTimeout, and HTTPRequestEntityTooLarge."""

    async def read() -> bytes:
        return await file.read_chunk(_PART)

    return patiently(read, patience, most=most, limit=LIMIT)
