"""A metrics file is read back before it is replaced; whatever stands there, the new one is whole."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch_issuer.gateway import Operation
from batch_issuer.metrics import Measurements, RunEnd
from batch_issuer.metrics.earlier import read_earlier
from batch_issuer.metrics.rendering import render_metrics
from batch_issuer.metrics.run_file import replace_readable

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def left(runs: dict[str, RunEnd], measured: Measurements) -> bytes:
    return render_metrics(figures=None, runs=runs, measurements=measured, now=NOW)


def test_what_is_written_comes_back_as_it_was(tmp_path: Path) -> None:
    measured = Measurements()
    measured.exchange(Operation.SUBMIT, 200, 0.3)
    measured.exchange(Operation.LIST, None, 99.0)
    measured.pace = 0.75
    runs = {"issue": RunEnd(at=1.5, code=4, seconds=2.25), "refresh": RunEnd(at=2.0, code=0, seconds=0.5)}
    path = tmp_path / "m.prom"
    replace_readable(path, left(runs, measured))
    found = read_earlier(path)
    assert found.runs == runs
    assert left(dict(found.runs), found.measurements) == path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"not a metric at all {",
        b"batch_issuer_last_run_exit_code 1\n",
        b'batch_issuer_last_run_exit_code{command="issue"} NaN\n',
        b'batch_issuer_responses_total{operation="submit",http_status="200"} +Inf\n',
        b'batch_issuer_responses_total{operation="other",http_status="200"} 1\n',
        b'batch_issuer_responses_total{operation="submit",http_status="700000001"} 1\n',
        b'batch_issuer_request_duration_seconds_bucket{operation="submit",le="7"} 1\n',
        b"x" * 1_000_001,
    ],
)
def test_what_is_none_of_ours_is_left_behind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.prom"
    path.write_bytes(content)
    found = read_earlier(path)
    assert found.runs == {}
    assert left({}, found.measurements) == left({}, Measurements())


def test_a_command_by_a_strange_name_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    path.write_bytes(left({"Issue 700000001": RunEnd(at=1, code=0, seconds=1)}, Measurements()))
    assert read_earlier(path).runs == {}


def test_nothing_is_left_beside_a_file_that_can_not_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        replace_readable(path, b"x")
    assert list(tmp_path.iterdir()) == [path]
