"""Creating a batch: a file comes in, and is issued at once."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from aiohttp import web
from multidict import MultiDict
from pydantic import Field, StringConstraints

from batch_issuer.acceptance import IssueOptions, OnInvalid
from batch_issuer.intake import COLUMNS, GROUP_COLUMNS, parse_mapping
from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.runs import IdempotencyKey, Run
from batch_issuer.ledger.uploads import Upload
from batch_issuer.uploads import Choices
from batch_issuer.uploads.names import clean_name
from batch_issuer.web.api.answers import answer
from batch_issuer.web.api.bodies import forget, receive, wrong
from batch_issuer.web.api.fields import Given, Text, Truth, Written, read_fields
from batch_issuer.web.api.telling import describe, run_path
from batch_issuer.web.console import console_of
from batch_issuer.web.visitors import note, visitor_of

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
_KEY: Final = "^[!-~]([ -~]{0,126}[!-~])?$"
_MAPPED: Final = Written(
    pattern=rf"^[^\x00-\x1f\x7f]+=({'|'.join(COLUMNS)})$",
    told=f"write it as HEADER=COLUMN; columns are {', '.join(COLUMNS)}",
)
_SHARE: Final = Written(
    pattern=r"^([0-9]{1,12}|[0-9]{1,2}(\.[0-9]{1,6})?%|100%)$",
    told="write a count like 25 or a percentage like 10%",
)


class IssueQuery(Given):
    """How a file is read and issued: as the options of `batch-issuer issue` say it."""

    name: Text = Field("", description="A name for the batch, for people.")
    on_invalid: OnInvalid = Field("stop", description="Whether one invalid row stops all, or is left out.")
    max_invalid: Annotated[str, _SHARE] = Field(
        "10%", description="How many rows may be left out, as a count or a percentage."
    )
    again: Truth = Field(default=False, description="Issue content that was issued before.")
    badge_meta_id: Text = Field("", description="The badge for the whole file; a cell of the file wins.")
    owner_type: Text = Field("", description="The owner type for the whole file.")
    reference_id: Text = Field("", description="The reference for the whole file.")
    issue_event_date: Text = Field("", description="The event date for the whole file.")
    map: list[Annotated[str, StringConstraints(max_length=400), _MAPPED]] = Field(
        default=[],
        max_length=len(COLUMNS),
        description="A header that means a column, as `HEADER=COLUMN`; may be given once for each column.",
    )
    sheet: Text = Field("", description="The sheet of a workbook, by name; the first by default.")
    encoding: Text = Field("", description="utf-8, utf-16 or windows-1252; found out by default.")
    delimiter: Text = Field("", description="comma, semicolon, tab or pipe; found out by default.")
    file_name: Text = Field("", description="What the file is called; by default as the form calls it.")

    def options(self, upload: Upload) -> IssueOptions:
        """Say how a file is issued. Raises UsageError."""
        chosen = Choices(
            values={column: getattr(self, column) for column in GROUP_COLUMNS},
            sheet=self.sheet or None,
            encoding=self.encoding or None,
            delimiter=self.delimiter or None,
            on_invalid=self.on_invalid,
            max_invalid=self.max_invalid,
            again=self.again,
            name=self.name,
        ).tidied()
        mapped = parse_mapping(self.map)  # by this alone: what others chose on a page must not matter here
        options = chosen.issue_options(upload, chosen.sheet_options)
        return replace(options, mapped=mapped, file_name=self.named(upload))

    def named(self, upload: Upload) -> str:
        """Return what the file is called."""
        return clean_name(self.file_name) if self.file_name else upload.file_name

    def digest(self, upload: Upload) -> str:
        """Return what tells one wish from another: the content and the options, and not the file's name."""
        facts = {"sha256": upload.sha256, **self.model_dump(exclude={"file_name"})}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class KeyHeaders(Given):
    """The header by which a caller may ask again without creating twice."""

    key: Annotated[str, StringConstraints(pattern=_KEY)] | None = Field(
        None,
        alias=KEY_HEADER,
        description="1 to 128 printable characters that stand for this batch: the same key with the same "
        "content and options answers with the run that was started first.",
    )


async def create_batch(request: web.Request) -> web.Response:
    """Take a file, and issue it in the background."""
    key = _key_of(request)
    given = MultiDict(request.query)
    early = read_fields(IssueQuery, given, where="query")  # before a long file is read for nothing
    upload = await _receive(request, early.file_name, given)
    try:
        asked = read_fields(IssueQuery, given, where="form")
        run = await _issue(request, upload, asked, key)
    except BaseException:
        await forget(request, upload)
        raise
    is_replayed = run.upload != upload.upload
    if is_replayed:
        await forget(request, upload)
    else:
        await _note(request, upload)
    headers = {"Location": run_path(run.run), **({REPLAYED_HEADER: "true"} if is_replayed else {})}
    return answer(describe(request, run), status=202, headers=headers)


async def _receive(request: web.Request, file_name: str, given: MultiDict[str]) -> Upload:
    """Take the file; one that is too large or too slow is noted in the audit log."""
    try:
        return await receive(request, file_name, given)
    except (web.HTTPRequestEntityTooLarge, web.HTTPRequestTimeout) as exc:
        await note(request, Action.REQUEST_REFUSED, detail={"path": request.path, "why": exc.text or ""})
        raise


async def _issue(request: web.Request, upload: Upload, asked: IssueQuery, key: str) -> Run:
    console, visitor = console_of(request), visitor_of(request)
    path, _ = await console.uploads.to_issue(upload)
    return await console.runs.issue(
        upload.upload,
        Path(path),
        asked.options(upload),
        by=visitor.actor,
        key=IdempotencyKey(key=key, digest=asked.digest(upload)) if key else None,
    )


async def _note(request: web.Request, upload: Upload) -> None:
    facts = {"file": upload.file_name, "bytes": upload.size, "sha256": upload.sha256}
    await note(request, Action.UPLOADED, about=upload.upload, detail=facts)


def _key_of(request: web.Request) -> str:
    given = request.headers.getall(KEY_HEADER, [])
    if not given:
        return ""
    if len(given) > 1 or re.fullmatch(_KEY, given[0]) is None:
        raise wrong(KEY_HEADER, "give one, of 1 to 128 printable characters", where="headers")
    return given[0]
