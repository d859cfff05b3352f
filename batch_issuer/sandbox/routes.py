"""The honest answers: one handler for each call of the contract."""

from typing import Any

import orjson
from aiohttp import web

from batch_issuer.sandbox import answers, contract
from batch_issuer.sandbox.access import CAN_CHECK, CAN_MAKE, Access
from batch_issuer.sandbox.badges import find_badge
from batch_issuer.sandbox.contract import Rule
from batch_issuer.sandbox.engine import Clock, Engine
from batch_issuer.sandbox.list_lies import ListLies
from batch_issuer.sandbox.listing import Query, find
from batch_issuer.sandbox.records import Decision
from batch_issuer.sandbox.refusals import RefusalError, TooLargeError, TooManyRequestsError, UnknownBadgeError
from batch_issuer.sandbox.scenario import Scenario

BADGES_PATH = "/api_gateway/v1/badges/badgeMeta"
TOKEN_PATH = "/v3/oauth/token/generate"  # noqa: S105 - a path, not a token


class Routes:
    """Answers calls by the contract, and lists as the lies have it; faults are somebody else's business."""

    def __init__(
        self, *, scenario: Scenario, engine: Engine, access: Access, lies: ListLies, clock: Clock
    ) -> None:
        self._clock = clock
        self._scenario = scenario
        self._lies = lies
        self._engine = engine
        self._access = access

    def table(self) -> list[web.RouteDef]:
        """Give the routes, each under the name that counters know it by."""
        base = self._scenario.base_path
        return [
            web.post(f"{base}/ISSUE-BADGE", self.submit, name="submit"),
            web.put(f"{base}/ISSUE-BADGE", self.decide, name="decide"),
            web.get(f"{base}/requests", self.list_requests, name="list", allow_head=False),
            web.get(f"{base}/requests/{{id}}", self.read, name="read", allow_head=False),
            web.get(f"{BADGES_PATH}/{{id}}", self.look_up_badge, name="badge", allow_head=False),
            web.post(TOKEN_PATH, self.hand_out_token, name="token"),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """Record a maker's request."""
        self._access.require_caller(request.headers)
        self._access.require_permission(request.headers, CAN_MAKE)
        document = await _document(request, contract.SUBMISSION)
        self._require_few_customers(document)
        return json_response(answers.one_request(self._engine.submit(document)))

    async def decide(self, request: web.Request) -> web.Response:
        """Take a checker's decision."""
        self._access.require_caller(request.headers)
        self._access.require_permission(request.headers, CAN_CHECK)
        document = await _document(request, contract.DECISION)
        task = document["payload"]["AdminTask-Payload"]
        decision = Decision(verdict=task["actionDecision"], message=task["actionMessage"])
        return json_response(answers.one_request(self._engine.decide(document["requestId"], decision)))

    async def list_requests(self, request: web.Request) -> web.Response:
        """Give one page of the requests that a query finds."""
        self._access.require_caller(request.headers)
        query = Query.from_wire(request.query.items())
        found = find(self._lies.known(self._engine.records), query)
        page = self._lies.page(found, query)
        return json_response(
            answers.page_of_requests(page, total=len(found), limit=query.limit, number=query.page)
        )

    async def read(self, request: web.Request) -> web.Response:
        """Give one request as it stands."""
        self._access.require_caller(request.headers)
        return json_response(answers.one_request(self._engine.find(request.match_info["id"])))

    async def look_up_badge(self, request: web.Request) -> web.Response:
        """Give the definition of one badge."""
        self._access.require_caller(request.headers)
        badge = find_badge(request.match_info["id"], now=self._clock())
        if badge is None:
            raise UnknownBadgeError
        return json_response({"data": badge, "errors": None, "warnings": None})

    async def hand_out_token(self, request: web.Request) -> web.Response:
        """Exchange a key and its secret for a token."""
        document = await _document(request, contract.TOKEN_REQUEST)
        token = self._access.hand_out_token(key=document["key"], secret=document["secret"])
        return json_response(answers.token(token, ttl_seconds=self._scenario.token_ttl_seconds))

    def _require_few_customers(self, document: dict[str, Any]) -> None:
        limit = self._scenario.max_customers
        if (
            limit is not None
            and len(document["payload"]["IntouchAPITask-Payload"]["body"]["customers"]) > limit
        ):
            raise TooLargeError(max_customers=limit)


def json_response(document: object, *, status: int = 200) -> web.Response:
    """Give a document as an answer."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def refusal_response(refusal: RefusalError) -> web.Response:
    """Give a refusal as the error envelope of its status."""
    response = json_response(answers.error_envelope(refusal.status, refusal.message), status=refusal.status)
    if isinstance(refusal, TooManyRequestsError):
        response.headers["Retry-After"] = str(refusal.retry_after_seconds)
    return response


async def _document(request: web.Request, rule: Rule) -> dict[str, Any]:
    return contract.read_document(await request.read(), content_type=request.content_type, rule=rule)
