"""The checker's command from end to end: what is decided, what the files say of it, and who may not."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import SettingsError, UnknownBatch, UsageError
from batch_issuer.gateway.access import BasicLogin
from batch_issuer.pipeline import decide
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Credentials, Sandbox, Scenario
from batch_issuer.sandbox.faults import AnswerInstead, DroppedConnection
from tests.pipeline.world import World, customers, open_world, outcomes, reconciliation, summary_json

KNOWN = Credentials()
CHECKER = {
    "checker_username": KNOWN.checker_username,
    "checker_password": KNOWN.checker_password,
    "checker_ui_auth_token": KNOWN.checker_ui_token,
}
SECRETS = {
    "checker_password": "hunter2-Checker-Pa55",
    "checker_key": "key-5ecret-Checker",
    "checker_secret": "oauth-5ecret-Checker",
    "checker_ui_token": "ui-5ecret-token-Checker",
}
MESSAGE = "seen by the review board"


@asynccontextmanager
async def checked_world(
    tmp_path: Path, scenario: Scenario | None = None, **overrides: Any
) -> AsyncIterator[World]:
    async with open_world(tmp_path, scenario, **{**CHECKER, **overrides}) as world:
        yield world


async def decide_batch(world: World, batch: str, *, approve: bool = True, message: str = MESSAGE) -> Summary:
    return await world.run(lambda services: decide(services, batch, approve=approve, message=message))


async def issued(world: World, count: int = 7) -> str:
    summary = await world.issue(world.write(customers(count)))
    return summary.batch.batch


def puts(sandbox: Sandbox) -> int:
    return sandbox.calls["PUT ISSUE-BADGE"]


async def post_again(sandbox: Sandbox, number: int = 0) -> None:
    """Send a request of the server once more, as a retry by somebody else would."""
    record, known = sandbox.requests[number], sandbox.credentials
    headers = {
        "Authorization": BasicLogin(
            username=known.maker_username, password=known.maker_password
        ).authorization,
        "X-CAP-API-AUTH-ORG-ID": known.org_id,
        "X-CAP-UI-AUTH-TOKEN": known.maker_ui_token,
    }
    body = {"entityInfo": record.entity, "payload": {"IntouchAPITask-Payload": record.task}}
    url = f"{sandbox.url}{sandbox.scenario.base_path}/ISSUE-BADGE"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers=headers) as response,
    ):
        assert response.status == 200


async def test_an_approved_batch_is_issued_row_by_row(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        summary = await decide_batch(world, await issued(world))
        truth = {
            str(reply["customer_id"]): reply["issued_id"]
            for record in world.sandbox.truth()["requests"]
            for reply in record["results"]
        }
    assert {line["customer_id"]: line["issued_id"] for line in reconciliation(summary)} == truth
    assert (outcomes(summary), summary.exit_code) == ({"issued": 7}, ExitCode.DONE)
    assert summary.message == "requests approved: 3; decided already: 0; still waiting: 0"
    assert summary_json(summary)["message"] == summary.message


async def test_a_rejected_batch_needs_a_look(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        summary = await decide_batch(world, await issued(world), approve=False)
    assert (outcomes(summary), summary.exit_code) == ({"rejected": 7}, ExitCode.ROWS_NEED_A_LOOK)
    assert summary.message == "requests rejected: 3; decided already: 0; still waiting: 0"


async def test_an_approval_whose_inner_call_fails_is_reported_failed(tmp_path: Path) -> None:
    async with checked_world(tmp_path, Scenario(fail_share=1)) as world:
        summary = await decide_batch(world, await issued(world))
    assert (outcomes(summary), summary.exit_code) == ({"failed": 7}, ExitCode.ROWS_NEED_A_LOOK)


async def test_a_checker_with_oauth_decides_as_well(tmp_path: Path) -> None:
    oauth: dict[str, Any] = {
        "checker_client_key": KNOWN.checker_key,
        "checker_client_secret": KNOWN.checker_secret,
    }
    async with checked_world(tmp_path, **oauth) as world:
        summary = await decide_batch(world, await issued(world))
        assert world.sandbox.calls["POST token"] == 1
    assert outcomes(summary) == {"issued": 7}


async def test_deciding_has_its_path_with_the_list(tmp_path: Path) -> None:
    scenario = Scenario(base_path="/api_gateway/v2/request-workflow")
    async with checked_world(tmp_path, scenario, workflow_path=scenario.base_path) as world:
        batch = await issued(world)
        world.overrides |= {"workflow_path": "/elsewhere", "requests_path": scenario.base_path}
        summary = await decide_batch(world, batch)
    assert outcomes(summary) == {"issued": 7}


async def test_a_batch_that_is_decided_says_that_nothing_waits_and_exits_by_its_rows(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        await decide_batch(world, batch, approve=False)
        summary = await decide_batch(world, batch)
        assert puts(world.sandbox) == 3
    assert summary.message == "nothing waits for a decision; decided already: 3; still waiting: 0"
    assert summary.exit_code is ExitCode.ROWS_NEED_A_LOOK


async def test_a_decision_whose_answer_is_lost_is_settled_by_the_list(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        world.sandbox.will(DroppedConnection(after_accepting=True), method="PUT")
        summary = await decide_batch(world, batch)
        assert puts(world.sandbox) == 3
    assert (outcomes(summary), summary.exit_code) == ({"issued": 7}, ExitCode.DONE)


async def test_a_request_that_the_server_has_twice_is_approved_once_and_issued_once(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        await post_again(world.sandbox, 1)
        await decide_batch(world, batch)
        summary = await decide_batch(world, batch)
        ran = [record.request_id for record in world.sandbox.requests if record.execution]
        assert (puts(world.sandbox), len(ran), len(set(ran))) == (3, 3, 3)
    assert (outcomes(summary), summary.exit_code) == ({"issued": 7}, ExitCode.DONE)
    ids = [line["issued_id"] for line in reconciliation(summary)]
    assert len(set(ids)) == 7


async def test_the_makers_token_is_refused_by_the_server(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        world.overrides |= {"checker_ui_auth_token": KNOWN.maker_ui_token, "ui_auth_token": None}
        summary = await decide_batch(world, batch)
        assert puts(world.sandbox) == 1
    assert (outcomes(summary), summary.exit_code) == ({"pending": 7}, ExitCode.NO_PERMISSION)


async def test_something_that_still_waits_is_not_finished(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        for _ in range(3):
            world.sandbox.will(AnswerInstead(status=400), method="PUT")
        summary = await decide_batch(world, batch)
    assert (outcomes(summary), summary.exit_code) == ({"pending": 7}, ExitCode.NOT_FINISHED)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"checker_username": KNOWN.maker_username}, "CHECKER_USERNAME is the maker's"),
        ({"checker_ui_auth_token": KNOWN.maker_ui_token}, "CHECKER_UI_AUTH_TOKEN is the maker's"),
        ({"checker_username": None}, "CHECKER_USERNAME and CHECKER_PASSWORD"),
    ],
)
async def test_a_checker_without_credentials_of_its_own_decides_nothing(
    tmp_path: Path, overrides: dict[str, Any], line: str
) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        world.overrides |= overrides
        with pytest.raises(SettingsError, match=line):
            await decide_batch(world, batch)
        assert puts(world.sandbox) == 0


async def test_what_can_not_be_decided_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with checked_world(tmp_path) as world:
        batch = await issued(world)
        with pytest.raises(UsageError, match="message is blank"):
            await decide_batch(world, batch, message=" \t")
        with pytest.raises(UnknownBatch):
            await decide_batch(world, "20260101-000000-abcdef")
        world.overrides |= {"org_id": "999002"}
        with pytest.raises(UsageError, match="organisation 999002"):
            await decide_batch(world, batch)
        assert puts(world.sandbox) + world.sandbox.calls["GET requests"] == 0


@pytest.mark.parametrize(
    "names",
    [
        {"checker_password": "checker_password"},
        {"checker_client_key": "checker_key", "checker_client_secret": "checker_secret"},
    ],
    ids=["basic", "oauth"],
)
async def test_no_secret_of_the_checker_is_in_any_file(tmp_path: Path, names: dict[str, str]) -> None:
    known = Credentials(**SECRETS)
    given = {setting: SECRETS[name] for setting, name in names.items()}
    given["checker_ui_auth_token"] = known.checker_ui_token
    echo = {"errors": [{"code": 400, "message": f"bad call by {' '.join(given.values())}"}]}
    overrides = {"checker_username": known.checker_username, **given}
    async with open_world(tmp_path, None, known, **overrides) as world:
        batch = await issued(world)
        world.sandbox.will(AnswerInstead(status=400, body=json.dumps(echo).encode()), method="PUT")
        summary = await decide_batch(world, batch)
        decided = puts(world.sandbox)
    assert (decided, "bad call by" in summary.message) == (3, True)
    places = {path.name: path.read_bytes().decode("latin-1") for path in world.output.rglob("*.*")}
    places |= {"told": str(summary.as_json()), "settings": repr(world.settings())}
    assert "ledger.db" in places
    for secret in [*given.values(), "Y2hlY2tlci50aWxsOmh1bnRlcjI"]:
        for name, content in places.items():
            assert secret not in content, f"{secret} is in {name}"
