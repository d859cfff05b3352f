"""The hands of a test in another process: the truth, and a checker who decides all that waits."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, Final, cast

from aiohttp import web

from batch_issuer.sandbox import contract
from batch_issuer.sandbox.contract import one_of, shape
from batch_issuer.sandbox.records import Record, Verdict
from batch_issuer.sandbox.refusals import ForbiddenError, RefusalError
from batch_issuer.sandbox.routes import json_response, refusal_response

TRUTH_PATH: Final = "/sandbox/truth"
DECIDE_ALL_PATH: Final = "/sandbox/decide-all"

# The names of the routes that no limit, count, latency or fault touches.
CONTROL_ROUTES: Final = frozenset({"truth", "decide-all"})

_DECISION = shape({"verdict": one_of("approved", "rejected")})


class Control:
    """Answers without credentials; what changes anything needs a caller on this machine."""

    def __init__(
        self, *, truth: Callable[[], dict[str, Any]], decide_all: Callable[[Verdict], Sequence[Record]]
    ) -> None:
        self._truth = truth
        self._decide_all = decide_all

    def table(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get(TRUTH_PATH, self.tell_truth, name="truth"),
            web.post(DECIDE_ALL_PATH, self.decide_all, name="decide-all"),
        ]

    async def tell_truth(self, _request: web.Request) -> web.Response:
        """Give the simulator's own account."""
        return json_response(self._truth())

    async def decide_all(self, request: web.Request) -> web.Response:
        """Decide every request that waits, and name those decided."""
        try:
            _require_loopback(request)
            body = await request.read()
            document = contract.read_document(body, content_type=request.content_type, rule=_DECISION)
        except RefusalError as refusal:
            return refusal_response(refusal)
        decided = self._decide_all(cast("Verdict", document["verdict"]))
        return json_response({"decided": [record.workflow_request_id for record in decided]})


def _require_loopback(request: web.Request) -> None:
    if request.remote is None or not ip_address(request.remote).is_loopback:
        raise ForbiddenError(permission="Loopback")
