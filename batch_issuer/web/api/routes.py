"""Every operation of the API, in one table."""

import json
from functools import cache
from typing import Final

from aiohttp import web

from batch_issuer.accounts import Role
from batch_issuer.ledger.runs import Action
from batch_issuer.web.api import acting, creating, reading
from batch_issuer.web.api.answers import BatchPage, FileList, RequestPage, RowPage, RunAnswer
from batch_issuer.web.api.bodies import CSV, FORM, JSON, PARQUET, XLSX
from batch_issuer.web.api.openapi import form_of, write_document
from batch_issuer.web.api.operations import NEEDS_TOKEN, TAKES_BODY, Header, Operation, Told
from batch_issuer.web.api.summaries import SummaryAnswer
from batch_issuer.web.routes import ANYONE, CHECKER, MAKER, PUBLIC, Route, get

_BATCH: Final = "/api/batches/{batch}"
_RUN_LINK: Final = {"operationId": "showRun", "parameters": {"run": "$response.body#/run"}}
_LOCATION: Final = Header(name="Location", what="Where the run is told of.")
_STARTED: Final = Told(
    status=202,
    what="It is under way: this is the run that does it.",
    content={JSON: RunAnswer},
    headers=(_LOCATION,),
    links={"run": _RUN_LINK},
)
_DOES: Final = {
    Action.RESUME: ("resumeBatch", "Go on with a batch that did not finish", MAKER),
    Action.RETRY: ("retryBatch", "Send again what the server definitely refused", MAKER),
    Action.REFRESH: ("refreshBatch", "Ask the server for the states that are not final", MAKER | CHECKER),
    Action.APPROVE: ("approveBatch", "Approve what waits of a batch", CHECKER),
    Action.REJECT: ("rejectBatch", "Reject what waits of a batch", CHECKER),
}


def _asks(action: Action) -> Operation:
    name, summary, needs = _DOES[action]
    decides = action in acting.DECISIONS
    return Operation(
        name=name,
        method="POST",
        path=f"{_BATCH}/{action.value}",
        handler=acting.act(action),
        needs=needs,
        summary=summary,
        description=_description(needs, "Never a batch that the same user made." if decides else ""),
        body={JSON: acting.Decision} if decides else {},
        told=(_STARTED,),
        problems=(*NEEDS_TOKEN, 404, 409, *(TAKES_BODY if decides else ())),
    )


def _description(needs: frozenset[Role], more: str = "") -> str:
    roles = " or ".join(sorted(role.value for role in needs))
    return f"Needs the role {roles}. {more}".strip()


OPERATIONS: Final = (
    Operation(
        name="createBatch",
        method="POST",
        path="/api/batches",
        handler=creating.create_batch,
        needs=MAKER,
        summary="Bring a file, and issue it",
        description=_description(
            MAKER,
            "The file is the body itself, and the options stand in the query; or both come as a form. "
            "There is no question in between: what is sent here is issued.",
        ),
        query=creating.IssueQuery,
        headers=creating.KeyHeaders,
        body={
            FORM: form_of(creating.IssueQuery, file="The spreadsheet: CSV, XLSX or Parquet."),
            CSV: {"type": "string"},
            XLSX: {"type": "string", "contentMediaType": XLSX},
            PARQUET: {"type": "string", "contentMediaType": PARQUET},
        },
        told=(
            Told(
                status=202,
                what="The file is here and durable: this is the run that issues it.",
                content={JSON: RunAnswer},
                headers=(
                    _LOCATION,
                    Header(
                        name=creating.REPLAYED_HEADER,
                        what="`true` where the key came before: this is the run that was started then.",
                        is_always_there=False,
                    ),
                ),
                links={"run": _RUN_LINK},
            ),
        ),
        problems=(*NEEDS_TOKEN, *TAKES_BODY, 409),
    ),
    Operation(
        name="listBatches",
        method="GET",
        path="/api/batches",
        handler=reading.list_batches,
        needs=ANYONE,
        summary="List the batches, the latest first",
        query=reading.BatchQuery,
        told=(Told(status=200, what="A page of batches.", content={JSON: BatchPage}),),
        problems=(*NEEDS_TOKEN, 400),
    ),
    Operation(
        name="showBatch",
        method="GET",
        path=_BATCH,
        handler=reading.show_batch,
        needs=ANYONE,
        summary="Show a batch in figures, as summary.json has them",
        told=(Told(status=200, what="The batch in figures.", content={JSON: SummaryAnswer}),),
        problems=(*NEEDS_TOKEN, 404),
    ),
    Operation(
        name="listRows",
        method="GET",
        path=f"{_BATCH}/rows",
        handler=reading.list_rows,
        needs=ANYONE,
        summary="Tell what became of rows",
        description="The columns and words of reconciliation.csv, as they are at this moment.",
        query=reading.RowQuery,
        told=(Told(status=200, what="A page of rows, in the order of the file.", content={JSON: RowPage}),),
        problems=(*NEEDS_TOKEN, 400, 404),
    ),
    Operation(
        name="listRequests",
        method="GET",
        path=f"{_BATCH}/requests",
        handler=reading.list_requests,
        needs=ANYONE,
        summary="Tell how the requests of a batch stand",
        description="The columns and words of requests.csv, as they are at this moment.",
        query=reading.RequestQuery,
        told=(Told(status=200, what="A page of requests, by chunk.", content={JSON: RequestPage}),),
        problems=(*NEEDS_TOKEN, 400, 404),
    ),
    Operation(
        name="listFiles",
        method="GET",
        path=f"{_BATCH}/files",
        handler=reading.list_files,
        needs=ANYONE,
        summary="List the files of a batch",
        told=(Told(status=200, what="The files that there are.", content={JSON: FileList}),),
        problems=(*NEEDS_TOKEN, 404),
    ),
    Operation(
        name="sendFile",
        method="GET",
        path=f"{_BATCH}/files/{{name}}",
        handler=reading.send_file,
        needs=ANYONE,
        summary="Download a file of a batch",
        told=(
            Told(
                status=200,
                what="The file.",
                content={kind: {"type": "string"} for kind in ("text/csv", "text/html")} | {JSON: {}},
                headers=(Header(name="Content-Disposition", what="Under which name to save it."),),
            ),
        ),
        problems=(*NEEDS_TOKEN, 404),
    ),
    Operation(
        name="showRun",
        method="GET",
        path="/api/runs/{run}",
        handler=acting.show_run,
        needs=ANYONE,
        summary="Tell how far a run is",
        told=(
            Told(
                status=200,
                what="The run as it stands.",
                content={JSON: RunAnswer},
                links={
                    "batch": {
                        "operationId": "showBatch",
                        "parameters": {"batch": "$response.body#/batch"},
                    }
                },
            ),
        ),
        problems=(*NEEDS_TOKEN, 404),
    ),
    Operation(
        name="stopRun",
        method="POST",
        path="/api/runs/{run}/stop",
        handler=acting.stop_run,
        needs=MAKER,
        summary="Ask a run that sends to end in order",
        description=_description(MAKER, "What is left `resume` takes up; nothing is sent twice."),
        told=(
            Told(
                status=202,
                what="It is about to end, or has ended.",
                content={JSON: RunAnswer},
                headers=(_LOCATION,),
            ),
        ),
        problems=(*NEEDS_TOKEN, 404, 409),
    ),
    *(_asks(action) for action in _DOES),
)


async def show_document(_: web.Request) -> web.Response:
    """Answer with the OpenAPI document."""
    return web.Response(body=_document(), content_type=JSON)


@cache
def _document() -> bytes:
    return json.dumps(write_document(OPERATIONS)).encode()


ROUTES: Final[tuple[Route, ...]] = (
    get("/api/openapi.json", show_document, PUBLIC),
    *(operation.route() for operation in OPERATIONS),
)
