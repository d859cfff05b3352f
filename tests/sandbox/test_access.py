"""Who may call what: credentials, permissions, tokens, and the rate limit."""

from collections.abc import Mapping

import pytest

from batch_issuer.sandbox import Credentials, Sandbox

from .api import Api, basic
from .conftest import MovedClock, OpenSandbox
from .published import decision, example, submission

OAUTH = "X-CAP-API-OAUTH-TOKEN"


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


async def with_token(api: Api) -> dict[str, str]:
    token = (await api.token()).data["accessToken"]
    return {**without(api.maker(), "Authorization"), OAUTH: token}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic %%%",
        "Basic " + "/" * 8,
        "Bearer abc",
        basic("maker.till", "wrong"),
        basic("nobody", "maker-password"),
        "Basic bm9jb2xvbg==",
    ],
)
async def test_unknown_basic_credentials_are_refused(api: Api, header: str) -> None:
    reply = await api.post(submission(), headers={**api.maker(), "Authorization": header})

    assert reply.status == 401
    assert reply.document == example("error.401")


async def test_every_workflow_call_needs_credentials(api: Api) -> None:
    replies = [
        await api.post(submission(), headers={}),
        await api.put(decision("any"), headers={}),
        await api.call("GET", "requests", headers={}),
        await api.call("GET", "requests/any", headers={}),
    ]

    assert [reply.status for reply in replies] == [401] * 4


@pytest.mark.parametrize("name", ["X-CAP-API-AUTH-ORG-ID", "X-CAP-UI-AUTH-TOKEN"])
async def test_writing_needs_the_organisation_and_a_known_user(api: Api, name: str) -> None:
    missing = await api.post(submission(), headers=without(api.maker(), name))
    wrong = await api.put(decision("any"), headers={**api.checker(), name: "wrong"})

    assert (missing.status, wrong.status) == (401, 401)


async def test_reading_needs_neither_organisation_nor_user(api: Api) -> None:
    only = {"Authorization": api.maker()["Authorization"]}

    assert (await api.call("GET", "requests", headers=only)).status == 200


async def test_a_checker_may_not_make_and_a_maker_may_not_check(api: Api) -> None:
    posted = await api.submit()

    made = await api.post(submission(), headers=api.checker())
    checked = await api.put(decision(posted.data["requestId"]), headers=api.maker())

    assert (made.status, checked.status) == (403, 403)
    assert made.document == example("error.403")
    assert checked.message == "CanCheckRequest access is missing"


async def test_a_token_opens_what_basic_opens(api: Api) -> None:
    assert (await api.post(submission(), headers=await with_token(api))).status == 200


async def test_maker_and_checker_both_get_tokens_and_strangers_none(api: Api) -> None:
    known = api.sandbox.credentials
    checker = await api.token(known.checker_key, known.checker_secret)
    mixed = await api.token(known.maker_key, known.checker_secret)

    assert (checker.status, mixed.status) == (200, 401)


async def test_a_token_call_that_breaks_the_contract_is_refused(api: Api) -> None:
    reply = await api.call("POST", "/v3/oauth/token/generate", headers={}, body=b'{"key": "maker-key"}')

    assert (reply.status, reply.message) == (400, "secret is missing")


async def test_a_token_expires_by_the_clock(open_sandbox: OpenSandbox, clock: MovedClock) -> None:
    api = await open_sandbox(token_ttl_seconds=120)
    headers = await with_token(api)

    clock.advance(119)
    in_time = await api.post(submission(), headers=headers)
    clock.advance(1)
    too_late = await api.post(submission(), headers=headers)
    renewed = await api.post(submission(), headers=await with_token(api))

    assert [in_time.status, too_late.status, renewed.status] == [200, 401, 200]
    assert (await api.token()).data["ttlSeconds"] == 120


async def test_forgotten_tokens_are_invalid(api: Api) -> None:
    headers = await with_token(api)
    api.sandbox.forget_tokens()

    assert (await api.post(submission(), headers=headers)).status == 401


async def test_a_wrong_token_is_not_saved_by_basic_credentials(api: Api) -> None:
    assert (await api.post(submission(), headers={**api.maker(), OAUTH: "wrong"})).status == 401


async def test_a_sandbox_may_know_basic_only(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(auth="basic")

    assert (await api.submit()).status == 200
    assert (await api.token()).status == 401


async def test_a_sandbox_may_know_oauth_only(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(auth="oauth")

    assert (await api.submit()).status == 401
    assert (await api.post(submission(), headers=await with_token(api))).status == 200


async def test_credentials_can_be_chosen() -> None:
    sandbox = Sandbox(credentials=Credentials(org_id="999002", maker_password="chosen"))

    assert sandbox.credentials.org_id == "999002"
    assert "chosen" not in repr(sandbox.credentials)


async def test_the_rate_limit_holds_in_every_window_of_a_minute(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(rate_limit=2)

    first = await api.submit()
    clock.advance(30)
    second = await api.list()
    clock.advance(9.5)
    third = await api.submit()
    clock.advance(float(third.headers["Retry-After"]))
    fourth = await api.submit()
    fifth = await api.submit()

    assert [reply.status for reply in (first, second, third, fourth, fifth)] == [200, 200, 429, 200, 429]
    assert third.headers["Retry-After"] == "21"
    assert third.document == example("error.429")
    assert api.sandbox.truth()["posts"] == {"received": 4, "accepted": 2, "refused": 0, "rate_limited": 2}


async def test_token_calls_and_the_truth_do_not_count_towards_the_limit(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(rate_limit=1)

    for _ in range(3):
        assert (await api.token()).status == 200
        assert (await api.call("GET", "/sandbox/truth", headers={})).status == 200

    assert (await api.submit()).status == 200


async def test_a_password_that_was_changed_is_refused_and_the_new_one_taken(api: Api) -> None:
    before = api.maker()
    api.sandbox.change_maker_password("another-password")
    assert (await api.post(submission(), headers=before)).status == 401
    assert (await api.post(submission())).status == 200


async def test_an_inner_call_with_a_password_that_was_changed_is_refused_and_uses_up_no_id(api: Api) -> None:
    document = submission()
    headers = document["payload"]["IntouchAPITask-Payload"]["headers"]
    headers["Authorization"] = api.maker()["Authorization"]
    waiting = (await api.post(document)).data["requestId"]
    api.sandbox.change_maker_password("another-password")
    refused = await api.decide(waiting)
    assert (refused.data["state"], refused.output["status"]) == ("failed", 401)
    headers["Authorization"] = api.maker()["Authorization"]
    again = await api.decide((await api.post(document)).data["requestId"])
    assert again.data["state"] == "approved"
