"""The sandbox's badges: in the published form, most of them fit, and some of each bad kind."""

import pytest

from batch_issuer.sandbox.faults import AnotherRequestNamed

from .api import Api
from .published import example, validator

KINDS = [f"deadbad{kind}{'0' * 16}" for kind in range(1, 6)]
FINE = "5f3a1c2b4d5e6f7a8b9c0d1e"
PATH = "/api_gateway/v1/badges/badgeMeta"


@pytest.mark.parametrize("badge", [FINE, *KINDS])
async def test_every_badge_has_the_published_form(api: Api, badge: str) -> None:
    answer = await api.call("GET", f"{PATH}/{badge}", headers=api.maker())

    assert answer.status == 200
    validator("BadgeMetaResponse").validate(answer.document)
    assert answer.document["data"]["id"] == badge


async def test_an_unknown_badge_is_answered_as_the_example_shows(api: Api) -> None:
    answer = await api.call("GET", f"{PATH}/deadbad0{'0' * 16}", headers=api.maker())

    assert answer.status == 404
    assert answer.document == example("error.404")


async def test_another_badge_may_be_named_on_request(api: Api) -> None:
    api.sandbox.will(AnotherRequestNamed(), method="GET")

    answer = await api.call("GET", f"{PATH}/{FINE}", headers=api.maker())

    assert answer.document["data"]["id"] not in {FINE, ""}
    validator("BadgeMetaResponse").validate(answer.document)


async def test_a_stranger_is_told_nothing(api: Api) -> None:
    assert (await api.call("GET", f"{PATH}/{FINE}", headers={})).status == 401
