"""Batches, their rows, requests and files, as the ledger and the disk have them."""

from typing import Annotated

from aiohttp import web
from pydantic import Field
from sqlalchemy import Connection

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import BatchStage
from batch_issuer.ledger.batch_pages import find_batches
from batch_issuer.ledger.request_pages import (
    FoundRequests,
    RequestFilter,
    RequestPlace,
    count_by_state,
    find_requests,
)
from batch_issuer.reports import RowFilter, Summary, find_rows, shown_state, summarise, summary_of_pruned
from batch_issuer.reports.files import REPORTS
from batch_issuer.web.api.answers import (
    BatchLine,
    BatchPage,
    FileLine,
    FileList,
    RequestPage,
    RowPage,
    answer,
)
from batch_issuer.web.api.fields import WHOLE, Given, Text, Truth, Written, read_fields
from batch_issuer.web.api.summaries import SummaryAnswer
from batch_issuer.web.console import console_of
from batch_issuer.web.downloads import send_batch_file, type_of
from batch_issuer.web.inputs import source_of
from batch_issuer.web.views.batch import batch_of

Limit = Annotated[int, Field(ge=1, le=500, description="How many at most."), WHOLE]


def _is_next(pattern: str) -> Written:
    return Written(pattern=f"^({pattern})?$", told="give the `next` of a page as it is")


class BatchQuery(Given):
    """Which batches are listed."""

    stage: BatchStage | None = Field(None, description="Only those that have come so far.")
    issued_by: Text = Field("", description="Only those of this user.")
    after: Annotated[str, _is_next("[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")] = Field(
        "", description="`next` of the page before."
    )
    limit: Limit = 50


async def list_batches(request: web.Request) -> web.Response:
    """List batches, the latest first."""
    asked = read_fields(BatchQuery, request.query, where="query")
    found = await console_of(request).records.read(
        find_batches, stage=asked.stage, issued_by=asked.issued_by, after=asked.after, limit=asked.limit
    )
    return answer(BatchPage(batches=[BatchLine.of(batch) for batch in found.batches], next=found.next))


async def show_batch(request: web.Request) -> web.Response:
    """Show one batch in figures."""
    console, batch = console_of(request), await batch_of(request)
    folder = console.settings.output / batch.batch

    def look(connection: Connection) -> Summary:
        if batch.pruned_at:
            return summary_of_pruned(batch, folder)
        return summarise(connection, batch, folder)

    summary = await console.records.look(look)
    return answer(SummaryAnswer.model_validate(summary.as_json()))


class RowQuery(Given):
    """Which rows are told."""

    outcome: list[Outcome] = Field(default=[], description="Only rows with one of these outcomes.")
    text: Text = Field("", description="Only rows whose line holds this text, whatever its case.")
    after: Annotated[int, Field(ge=0, le=4_294_967_295, description="`next` of the page before."), WHOLE] = 0
    limit: Limit = 50


async def list_rows(request: web.Request) -> web.Response:
    """Tell what became of rows, as the reconciliation would tell it at this moment."""
    asked = read_fields(RowQuery, request.query, where="query")
    console, batch = console_of(request), await batch_of(request)
    folder = console.settings.output / batch.batch
    wanted = RowFilter(
        outcomes=frozenset(asked.outcome), text=asked.text, after=asked.after, limit=asked.limit
    )
    found = await console.records.look(
        lambda connection: find_rows(connection, batch, source_of(batch, folder), wanted)
    )
    return answer(RowPage.of(found))


class RequestQuery(Given):
    """Which requests are told."""

    state: Text = Field("", description="Only those in this state, as requests.csv names it.")
    waiting: Truth = Field(default=False, description="Only those that wait for a checker.")
    after: Annotated[str, _is_next(r"[0-9]{1,9}\.[01]{0,40}\.[0-9]{1,9}")] = Field(
        "", description="`next` of the page before."
    )
    limit: Limit = 50


async def list_requests(request: web.Request) -> web.Response:
    """Tell how the requests of a batch stand."""
    asked = read_fields(RequestQuery, request.query, where="query")
    batch = await batch_of(request)

    def look(connection: Connection) -> FoundRequests:
        known = count_by_state(connection, batch.batch) if asked.state else ()
        stages = [pair for pair in known if shown_state(*pair) == asked.state]
        if asked.state and not stages:
            return FoundRequests()
        after = RequestPlace.parse(asked.after)
        wanted = RequestFilter(stages=stages, is_waiting=asked.waiting, after=after, limit=asked.limit)
        return find_requests(connection, batch.batch, wanted)

    return answer(RequestPage.of(await console_of(request).records.look(look)))


async def list_files(request: web.Request) -> web.Response:
    """List the files of a batch that there are."""
    console, batch = console_of(request), await batch_of(request)
    folder = console.settings.output / batch.batch
    paths = [folder / name for name in REPORTS]
    return answer(
        FileList(
            files=[
                FileLine(
                    name=path.name,
                    bytes=path.stat().st_size,
                    content_type=type_of(path.name),
                    url=f"/api/batches/{batch.batch}/files/{path.name}",
                )
                for path in paths
                if path.is_file()
            ]
        )
    )


async def send_file(request: web.Request) -> web.StreamResponse:
    """Send one of the files that a batch may have, by its name."""
    return await send_batch_file(request, await batch_of(request), REPORTS)
