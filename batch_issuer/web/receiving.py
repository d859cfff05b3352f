"""Takes a file from a form while it comes: only a part of it is in memory, and it must not stand still."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from batch_issuer.web.console import console_of
from batch_issuer.web.guarding import CSRF_FIELD, CSRF_HEADER, refuse_form
from batch_issuer.web.patience import Patience, patiently
from batch_issuer.web.visitors import is_csrf, visitor_of

FILE_FIELD: Final = "file"
LIMIT: Final = "split it, and upload the parts one by one"
_PART: Final = 1 << 16
_TOKEN_CHARS: Final = 200
_MOST_BEFORE: Final = 1 << 16
"""Bytes of other fields before the file."""
_MOST_PARTS: Final = 20
MALFORMED: Final = (
    *(ValueError, LookupError, RuntimeError, AssertionError),
    *(HttpProcessingError, web.RequestPayloadError),
)
"""What aiohttp raises where a form is cut off, or not written as it must be."""


async def find_file(request: web.Request) -> BodyPartReader | None:
    """Return the file of a form, before any of it is read; None where none was chosen.

    The token of the form stands before it. Raises HTTPForbidden, noted in the audit log, where that is
    wrong, and of aiohttp's HTTP errors what fits a form that our page does not send.
    """
    if request.content_type != "multipart/form-data":
        await _check(request, "")
        return None
    try:
        async with asyncio.timeout(console_of(request).patience.seconds):
            return await _find(request)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form came too slowly; send it again.") from None
    except MALFORMED:
        raise _malformed() from None


async def _find(request: web.Request) -> BodyPartReader | None:
    token, reader = "", await request.multipart()
    for _ in range(_MOST_PARTS):
        part = await reader.next()
        if part is None:
            await _check(request, token)
            return None
        if not isinstance(part, BodyPartReader):
            raise _malformed()
        if part.name == CSRF_FIELD:
            token = (await part.read_chunk(_TOKEN_CHARS)).decode("ascii", "replace")
        elif part.name == FILE_FIELD:
            await _check(request, token)
            return part if part.filename else None
        await _skip(part)
    raise _too_much()


async def _skip(part: BodyPartReader) -> None:
    size = 0
    while chunk := await part.read_chunk(_PART):
        size += len(chunk)
        if size > _MOST_BEFORE:
            raise _too_much()


def _too_much() -> web.HTTPRequestEntityTooLarge:
    told = "That is far more than the form holds."
    return web.HTTPRequestEntityTooLarge(max_size=_MOST_BEFORE, actual_size=_MOST_BEFORE + 1, text=told)


def _malformed() -> web.HTTPBadRequest:
    return web.HTTPBadRequest(
        text="The form is cut off, or not written as a browser writes it; choose the file, and send it again."
    )


async def _check(request: web.Request, token: str) -> None:
    if not is_csrf(visitor_of(request), request.headers.get(CSRF_HEADER) or token):
        await refuse_form(request, "its token is not that of the session")


async def read_part(part: BodyPartReader, size: int) -> bytes:
    """Read on in a part of a form. Raises one of MALFORMED where the form ends within it."""
    chunk = await part.read_chunk(size)
    if not chunk and not part.at_eof():
        raise ValueError
    return chunk


def parts_of(file: BodyPartReader, patience: Patience, *, most: int) -> AsyncIterator[bytes]:
    """Yield a file as it comes.

    Raises HTTPRequestTimeout, HTTPRequestEntityTooLarge, and HTTPBadRequest for one that is cut off.
    """

    async def read() -> bytes:
        try:
            return await read_part(file, _PART)
        except MALFORMED:
            raise _malformed() from None

    return patiently(read, patience, most=most, limit=LIMIT)
