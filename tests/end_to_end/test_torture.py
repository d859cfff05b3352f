"""A short torture; `make torture N=100` is the long one."""

from pathlib import Path

import pytest

from tests.end_to_end.torture import run_once
from tests.postgresql import Databases

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("seed", [1001, 1002])
def test_killed_and_resumed_under_faults_nothing_is_lost_and_nothing_issued_twice(
    tmp_path: Path, seed: int
) -> None:
    run = run_once(seed, tmp_path)
    assert run.problems == []
    assert run.commands > 2


@pytest.mark.postgres
def test_the_same_holds_where_the_ledger_is_on_a_server(
    tmp_path: Path, postgres_databases: Databases
) -> None:
    run = run_once(1004, tmp_path, ledger=postgres_databases.new_database())
    assert run.problems == []
    assert run.commands > 2


def test_a_list_that_lags_behind_the_waiting_time_never_makes_a_badge_be_issued_twice(tmp_path: Path) -> None:
    run = run_once(1003, tmp_path, lag=4.0)
    assert [problem for problem in run.problems if "twice" in problem] == []
