"""A real cluster against a real sandbox, its ledger in PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.play import Play, lines_of_one_process, open_play
from tests.postgresql import PostgresServer

Begin = Callable[[int], Play]


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return what one process tells of the same file."""
    return lines_of_one_process(tmp_path_factory.mktemp("alone"))


@pytest.fixture
def begin(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Begin]:
    """Begin plays, each with a cluster and a ledger of its own."""
    with ExitStack() as stack:
        yield lambda seed: stack.enter_context(open_play(tmp_path, postgres_server.new_database(), seed))
