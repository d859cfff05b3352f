"""What an answer to the look-up of a badge proves."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from batch_issuer.gateway import AnswerKind
from batch_issuer.gateway.answers import read_look_up
from tests.sandbox.published import BADGE, example


def look_up(status: int, content: Any, badge: str = BADGE) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_look_up(
        status, body, badge_meta_id=badge, redact=lambda text: text.replace("s3cret", "***"), retry_after=7.0
    )


def with_facts(**facts: Any) -> Any:
    content = example("badge-meta.by-id")
    content["data"].update(facts)
    return content


def test_the_published_example_is_read_whole() -> None:
    answer = look_up(200, example("badge-meta.by-id"))

    assert answer.kind is AnswerKind.OK
    assert answer.badge.name == "Example winter badge"
    assert (answer.badge.status, answer.badge.is_active) == ("LIVE", True)
    assert answer.badge.starts_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert answer.badge.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert answer.badge.owners == {"Goodwill_Module", "Loyalty"}


@pytest.mark.parametrize(
    ("iso", "epoch"),
    [
        ("2026-03-08T09:30:00Z", None),
        ("2026-03-08T15:00:00+05:30", 1.0),
        ("2026-03-08T09:30:00", None),
        (None, 1772962200),
        (None, 1.7729622e9),
        (None, 1772962200000),
        (None, "1772962200"),
        ("soon", 1772962200),
    ],
)
def test_moments_are_read_in_every_form_that_samples_show(iso: str | None, epoch: object) -> None:
    answer = look_up(200, with_facts(startOnISO=iso, startOn=epoch))

    assert answer.badge.starts_at == datetime(2026, 3, 8, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("epoch", [None, "", "soon", [], True, 1e300, -1e300, {}])
def test_a_moment_that_cannot_be_read_is_none(epoch: object) -> None:
    assert look_up(200, with_facts(startOnISO=None, startOn=epoch)).badge.starts_at is None


@pytest.mark.parametrize(
    "facts",
    [
        {"ownership": None, "status": None, "active": None, "name": None},
        {"ownership": {"restrictedToOwners": None}, "status": 7, "active": "yes", "name": []},
        {"ownership": [], "status": {}, "name": 12},
    ],
)
def test_facts_of_a_strange_form_are_not_known(facts: dict[str, Any]) -> None:
    badge = look_up(200, with_facts(**facts)).badge

    assert badge is not None
    assert badge.owners == set()
    assert badge.is_active in {None, True}


def test_texts_of_the_server_are_made_fit_to_be_shown() -> None:
    badge = look_up(200, with_facts(name="a\nb\x1b[31m s3cret" + "x" * 999)).badge

    assert badge.name.startswith("a b [31m ***")
    assert badge.name.isprintable()
    assert len(badge.name) <= 300


def test_a_404_with_an_error_of_that_code_means_there_is_no_such_badge() -> None:
    answer = look_up(404, example("error.404"))

    assert answer.kind is AnswerKind.OK
    assert answer.badge is None


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (404, b"<html>not found</html>", AnswerKind.IN_DOUBT),
        (404, {"errors": []}, AnswerKind.IN_DOUBT),
        (404, {"errors": [{"code": 1, "message": "x"}]}, AnswerKind.IN_DOUBT),
        (401, {}, AnswerKind.UNAUTHORIZED),
        (403, {}, AnswerKind.FORBIDDEN),
        (429, {}, AnswerKind.RATE_LIMITED),
        (500, {"errors": [{"code": 404, "message": "x"}]}, AnswerKind.IN_DOUBT),
        (503, b"", AnswerKind.IN_DOUBT),
        (200, b"[]", AnswerKind.IN_DOUBT),
        (200, {"data": None}, AnswerKind.IN_DOUBT),
        (200, {"data": {"id": "another"}}, AnswerKind.IN_DOUBT),
        (302, b"", AnswerKind.IN_DOUBT),
    ],
)
def test_every_other_answer_says_nothing_of_the_badge(status: int, content: object, kind: AnswerKind) -> None:
    answer = look_up(status, content)

    assert (answer.kind, answer.badge) == (kind, None)
    assert answer.error.message
