"""A real cluster against a real sandbox, its ledger in PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.play import SANDBOX, Play, input_text, lines_of_one_process, open_play
from tests.end_to_end.conftest import Server, Terminal, open_sandbox, open_terminal
from tests.postgresql import PostgresServer

Begin = Callable[[int], Play]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with open_terminal(tmp_path) as opened:
        yield opened


@pytest.fixture
def server(terminal: Terminal) -> Iterator[Server]:
    """Start a sandbox, and have a file for it at the terminal."""
    with open_sandbox(*SANDBOX) as started:
        terminal.settings = {**started.settings, "BATCH_ISSUER_TIMEOUT": "5", "BATCH_ISSUER_SETTLE": "0.5"}
        (terminal.folder / "in.csv").write_text(input_text())
        yield started


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return what one process tells of the same file."""
    return lines_of_one_process(tmp_path_factory.mktemp("alone"))


@pytest.fixture
def begin(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Begin]:
    """Begin plays, each with a cluster and a ledger of its own."""
    with ExitStack() as stack:
        yield lambda seed: stack.enter_context(open_play(tmp_path, postgres_server.new_database(), seed))
