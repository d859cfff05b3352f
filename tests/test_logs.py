"""Logs: one line for each event, in text or JSON, without secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from batch_issuer.logs import FIELDS, LogFormat, set_up_logs
from batch_issuer.redaction import STARS, Redactor

SECRET = 'pa"ss\\wörd'
log = logging.getLogger("batch_issuer.somewhere")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    logger = logging.getLogger("batch_issuer")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def start(log_format: LogFormat = "text", verbosity: int = 1) -> None:
    set_up_logs(log_format=log_format, verbosity=verbosity, redact=Redactor([SECRET]))


def fail() -> None:
    try:
        int(SECRET)
    except ValueError:
        log.exception("program error")


def test_a_text_line_holds_time_level_event_and_fields_and_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start()

    log.info("submitted", extra={"request": "r-1", "batch": "b-1", "attempt": 2})

    out, err = capsys.readouterr()
    assert not out
    assert err[8:] == " INFO submitted batch=b-1 request=r-1 attempt=2\n"


def test_a_json_line_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    start("json")

    log.warning("in doubt", extra={"request": "r-1", "status": 504, "seconds": 0.5})

    event = json.loads(capsys.readouterr().err)
    assert event.pop("time").endswith("+00:00")
    assert event == {"level": "warning", "event": "in doubt", "request": "r-1", "status": 504, "seconds": 0.5}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_only_known_fields_are_written(capsys: pytest.CaptureFixture[str], log_format: LogFormat) -> None:
    start(log_format)

    log.info("event", extra={"customer_id": 700000001, **dict.fromkeys(FIELDS, "x")})

    err = capsys.readouterr().err
    assert "700000001" not in err
    assert all(name in err for name in FIELDS)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_starred_in_events_fields_and_traces(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    start(log_format)

    log.info("told %s", SECRET, extra={"code": f"x {SECRET}", "state": ValueError(SECRET)})
    fail()

    err = capsys.readouterr().err
    assert err.count(STARS) == 4
    assert "wörd" not in err
    assert "w\\u00f6rd" not in err


def test_a_trace_stands_below_its_text_line_and_inside_its_json_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start()
    fail()
    text = capsys.readouterr().err.splitlines()
    start("json")
    fail()
    (line,) = capsys.readouterr().err.splitlines()

    assert text[0].endswith("ERROR program error")
    assert text[1].startswith("Traceback")
    assert json.loads(line)["trace"].startswith("Traceback")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_a_server_says_can_not_forge_a_line(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    start(log_format)

    log.info("settled\n", extra={"state": "x\n08:15:00 INFO submitted", "code": "\x1b[2J\u2028\r"})

    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert err.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (-2, ["error"]),
        (-1, ["error"]),
        (0, ["warning", "error"]),
        (1, ["info", "warning", "error"]),
        (2, ["debug", "info", "warning", "error"]),
        (9, ["debug", "info", "warning", "error"]),
    ],
)
def test_more_is_shown_with_v_and_less_with_q(
    capsys: pytest.CaptureFixture[str], verbosity: int, shown: list[str]
) -> None:
    start("json", verbosity)

    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("event")

    assert [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()] == shown


def test_setting_up_twice_does_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    start()

    log.warning("once")

    assert len(capsys.readouterr().err.splitlines()) == 1
