"""What each answer proves, as a table."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.ids import RequestId
from batch_issuer.gateway import AnswerKind
from batch_issuer.gateway.answers import Answer, read_date, read_list, read_retry_after, read_submission

OURS = RequestId("20260302-044500-abcdef-0123456789abcdef")
NOW = datetime(2026, 3, 2, 4, 45, tzinfo=UTC)


def named(request_id: str | None = OURS, state: str = "AdminTask") -> bytes:
    details = {} if request_id is None else {"IntouchAPITask-Payload": {"body": {"requestId": request_id}}}
    return json.dumps({"data": {"requestId": "w-1", "state": state, "details": details}}).encode()


def refusal(*codes: object) -> bytes:
    return json.dumps({"data": None, "errors": [{"code": code, "message": "no"} for code in codes]}).encode()


def read(status: int, body: bytes) -> Answer:
    return read_submission(status, body, request_id=OURS, redact=str)


OK, DOUBT, REFUSED = AnswerKind.OK, AnswerKind.IN_DOUBT, AnswerKind.REFUSED
UNAUTHORIZED, FORBIDDEN, LIMITED = AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN, AnswerKind.RATE_LIMITED
HTML = b"<html><body>Bad gateway</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, named(), OK),
        (201, named(), OK),
        (202, named(state="Queued"), OK),
        (200, named(request_id=None), OK),
        (200, named(request_id="another"), DOUBT),
        (200, b"", DOUBT),
        (200, HTML, DOUBT),
        (200, b"{}", DOUBT),
        (200, b"[]", DOUBT),
        (200, b'{"data": null}', DOUBT),
        (200, b'{"data": {"state": "AdminTask"}}', DOUBT),
        (200, named()[:-20], DOUBT),
        (204, b"", DOUBT),
        (200, refusal(400), DOUBT),
        (200, refusal(809), DOUBT),
        (200, json.dumps({**json.loads(named()), "errors": [{"code": 809}]}).encode(), DOUBT),
        (400, refusal(809), DOUBT),
        (400, refusal("809"), DOUBT),
        (400, refusal(809.0), DOUBT),
        (400, refusal(400, 809), DOUBT),
        (400, b'{"errors": {"code": 809}}', DOUBT),
        (401, refusal(809), DOUBT),
        (403, refusal(809), DOUBT),
        (409, refusal(809), DOUBT),
        (413, refusal(809), DOUBT),
        (429, refusal(809), DOUBT),
        (500, refusal(809), DOUBT),
        (400, refusal(400), REFUSED),
        (400, HTML, REFUSED),
        (400, named(), REFUSED),
        (401, b"", UNAUTHORIZED),
        (401, HTML, UNAUTHORIZED),
        (402, b"", REFUSED),
        (403, HTML, FORBIDDEN),
        (404, b"", REFUSED),
        (405, b"", REFUSED),
        (408, b"", DOUBT),
        (409, refusal(811), REFUSED),
        (413, HTML, AnswerKind.TOO_LARGE),
        (422, b"{}", REFUSED),
        (429, HTML, LIMITED),
        (301, b"", REFUSED),
        (302, named(), REFUSED),
        (307, b"", REFUSED),
        (308, b"", REFUSED),
        (500, refusal(500), DOUBT),
        (500, named(), DOUBT),
        (502, HTML, DOUBT),
        (503, b"", DOUBT),
        (504, b"", DOUBT),
        (599, b"", DOUBT),
        (100, b"", DOUBT),
        (600, b"", DOUBT),
    ],
)
def test_an_answer_to_a_submission_proves_what_the_table_says(
    status: int, body: bytes, kind: AnswerKind
) -> None:
    answer = read(status, body)
    assert (answer.kind, answer.http_status) == (kind, status)
    assert (answer.said is not None) is (kind is OK)
    assert bool(answer.error.message) is (kind is not OK)


@given(status=st.integers(100, 999), body=st.binary(max_size=50) | st.sampled_from([named(), refusal(809)]))
def test_only_a_2xx_that_names_our_request_counts_as_submitted(status: int, body: bytes) -> None:
    is_submitted = read(status, body).kind is OK
    assert is_submitted == (200 <= status < 300 and body == named())


@given(status=st.integers(500, 999), body=st.binary(max_size=50))
def test_no_answer_from_500_on_proves_that_nothing_was_created(status: int, body: bytes) -> None:
    assert read(status, body).kind is DOUBT


def test_a_request_that_is_too_large_says_so() -> None:
    assert "too large" in read(413, HTML).error.message


def test_an_answer_without_a_reason_is_named_by_its_status() -> None:
    answer = read(502, HTML)
    assert (answer.error.code, answer.error.message) == ("502", "the server answered HTTP 502 (no JSON)")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"data": []}', OK),
        (206, b'{"data": [1]}', OK),
        (200, b'{"data": null}', DOUBT),
        (200, b'{"data": {}}', DOUBT),
        (200, HTML, DOUBT),
        (302, b"", DOUBT),
        (400, refusal(400), REFUSED),
        (401, b"", UNAUTHORIZED),
        (403, b"", FORBIDDEN),
        (404, b"", REFUSED),
        (408, b"", DOUBT),
        (429, b"", LIMITED),
        (500, b'{"data": []}', DOUBT),
    ],
)
def test_an_answer_to_a_list_call_is_read_by_the_table(status: int, body: bytes, kind: AnswerKind) -> None:
    answer = read_list(status, body, redact=str)
    assert (answer.kind, answer.page is not None) == (kind, kind is OK)


def test_entries_of_other_kinds_keep_a_page_from_being_empty() -> None:
    page = read_list(200, b'{"data": [{"requestId": null}]}', redact=str).page
    assert page is not None
    assert (page.requests, page.is_empty) == ((), False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("2", 2.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("-5", 0.0),
        ("86400", 3600.0),
        ("inf", 3600.0),
        ("1e999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("Mon, 02 Mar 2026 04:45:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 04:45:30", 30.0),
        ("Mon, 02 Mar 2026 04:44:00 GMT", 0.0),
        ("Mon, 02 Mar 2026 10:15:30 +0530", 30.0),
        ("Tue, 02 Mar 2027 04:45:00 GMT", 3600.0),
        ("Mon, 01 Jan 99999999999999999999999 00:00:00 GMT", None),
        ("Wed, 21 Oct 2026 07:28:00 +999999999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_nonsense_is_ignored(
    value: str | None, seconds: float | None
) -> None:
    assert read_retry_after(value, now=NOW) == seconds


@given(value=st.text(max_size=60))
def test_no_retry_after_at_all_makes_reading_fail(value: str) -> None:
    seconds = read_retry_after(value, now=NOW)
    assert seconds is None or 0 <= seconds <= 3600


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("Mon, 02 Mar 2026 04:45:00 GMT", NOW),
        ("Mon, 02 Mar 2026 04:45:00", NOW),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_the_time_of_an_answer_is_read_and_nonsense_is_ignored(
    value: str | None, date: datetime | None
) -> None:
    assert read_date(value) == date
