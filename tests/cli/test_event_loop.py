"""The event loop that commands run on."""

import sys
from contextlib import closing

import pytest

from batch_issuer.cli.running import new_event_loop


def test_commands_run_on_uvloop_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    with closing(new_event_loop()) as loop:
        assert type(loop).__module__ == "uvloop"


def test_commands_run_on_the_loop_of_python_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with closing(new_event_loop()) as loop:
        assert type(loop).__module__.startswith("asyncio")
