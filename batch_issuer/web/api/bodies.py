"""The bodies of requests: files are streamed on as they come, and everything else is small."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from aiohttp import BodyPartReader, hdrs, web
from multidict import MultiDict

from batch_issuer.ledger.uploads import Upload
from batch_issuer.web.console import console_of
from batch_issuer.web.failing import FieldProblem, WrongFields
from batch_issuer.web.patience import patiently
from batch_issuer.web.receiving import MALFORMED, read_part
from batch_issuer.web.visitors import visitor_of

T = TypeVar("T")
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARQUET: Final = "application/vnd.apache.parquet"
_FILE: Final = "file"
_AT_ONCE: Final = 1 << 18
_LARGEST_FIELD: Final = 16_384
_MOST_PARTS: Final = 100
_LIMIT_OF_FILES: Final = "the limit for files is the setting MAX_FILE_BYTES of the console"


async def read_json(request: web.Request) -> object:
    """Return the JSON that came. Raises HTTPUnsupportedMediaType and WrongFields."""
    _refuse_encoded(request)
    if request.content_type != JSON:
        raise web.HTTPUnsupportedMediaType(text=f"Send the body as {JSON}.")
    try:
        return json.loads(await _small(request, request.content.readany, what="the body"))
    except (ValueError, RecursionError):
        raise wrong("", "it is no JSON", where="body") from None


async def receive(request: web.Request, file_name: str, options: MultiDict[str]) -> Upload:
    """Take the file that came, by itself or in a form; other fields of a form are added to `options`.

    Raises what `Uploads.receive` raises, and of aiohttp's HTTP errors what fits the body; then nothing of
    the file is left.
    """
    _refuse_encoded(request)
    if request.content_type == FORM:
        return await _receive_form(request, options)
    if request.content_type in {CSV, XLSX, PARQUET}:
        return await _receive_file(request, request.content.readany, file_name)
    raise web.HTTPUnsupportedMediaType(text=f"Send the file as {CSV}, {XLSX}, {PARQUET} or {FORM}.")


async def forget(request: web.Request, upload: Upload) -> None:
    """Remove a file that came for nothing."""
    await console_of(request).uploads.remove(upload.upload)


def wrong(field: str, message: str, *, where: str) -> WrongFields:
    """Say that one thing is wrong."""
    return WrongFields([FieldProblem(field=field, message=message)], where=where)


async def _receive_form(request: web.Request, options: MultiDict[str]) -> Upload:
    """Take the file of a form, wherever in it that stands."""
    uploads: list[Upload] = []
    try:
        async for part in _parts(request):
            if part.name == _FILE:
                read = partial(read_part, part, _AT_ONCE)
                uploads.append(await _receive_file(request, read, part.filename or ""))
            else:
                what = f"the field {part.name or 'without a name'!r}"[:100]
                options.add(part.name or "", await _small(request, part.read_chunk, what=what))
            _refuse_second(uploads)
        return _only(uploads)
    except BaseException:
        for upload in uploads:
            await forget(request, upload)
        raise


def _refuse_second(uploads: list[Upload]) -> None:
    if len(uploads) > 1:
        raise wrong(_FILE, "is given more than once", where="form")


def _only(uploads: list[Upload]) -> Upload:
    if not uploads:
        raise wrong(_FILE, "is missing", where="form")
    return uploads[0]


async def _receive_file(request: web.Request, read: Callable[[], Awaitable[bytes]], file_name: str) -> Upload:
    console, user = console_of(request), visitor_of(request).user
    most = console.settings.max_file_bytes
    parts = patiently(lambda: _well_formed(read()), console.patience, most=most, limit=_LIMIT_OF_FILES)
    return await console.uploads.receive(parts, file_name=file_name, user=user)


async def _parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """Yield the parts of a form."""
    reader = await _well_formed(request.multipart())
    for _ in range(_MOST_PARTS):
        part = await _well_formed(reader.next())
        if part is None:
            return
        if not isinstance(part, BodyPartReader):
            raise wrong("", "a part is a form itself", where="form")
        yield part
    raise wrong("", f"it has more than {_MOST_PARTS} parts", where="form")


async def _small(request: web.Request, read: Callable[[], Awaitable[bytes]], *, what: str) -> str:
    """Read a text that is small."""
    text = bytearray()
    limit = f"{what} may have that many"
    patience = console_of(request).patience
    async for part in patiently(lambda: _well_formed(read()), patience, most=_LARGEST_FIELD, limit=limit):
        text += part
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise wrong("", f"{what} is no UTF-8", where="body") from None


async def _well_formed(reading: Awaitable[T]) -> T:
    """Read a piece of a body; raise WrongFields where that is not written as it must be."""
    try:
        return await reading
    except MALFORMED as exc:
        raise wrong("", "it is cut off, or not written as its type says", where="body") from exc


def _refuse_encoded(request: web.Request) -> None:
    """Refuse a packed body: a small one could become a large one."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if encoding.lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="Send the body as it is, without Content-Encoding.")
