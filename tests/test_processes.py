"""Who a process is, and whether it is certainly gone."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from batch_issuer.processes import Process, is_provably_gone, this_process

TELL = (
    "import time\n"
    "from batch_issuer.processes import this_process\n"
    "me = this_process()\n"
    "print(me.pid, me.started, flush=True)\n"
    "time.sleep(60)\n"
)


def start() -> tuple[subprocess.Popen[str], Process]:
    child = subprocess.Popen([sys.executable, "-c", TELL], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    pid, started = child.stdout.readline().split()
    child.stdout.close()
    return child, replace(this_process(), pid=int(pid), started=started)


def test_a_process_that_runs_is_not_gone() -> None:
    assert not is_provably_gone(this_process())


def test_a_process_that_is_stopped_is_not_gone_for_it_may_wake() -> None:
    child, process = start()
    try:
        os.kill(child.pid, signal.SIGSTOP)
        assert not is_provably_gone(process)
    finally:
        child.kill()
        child.wait()


def test_a_process_that_was_killed_is_gone_before_and_after_its_parent_asks() -> None:
    child, process = start()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody took note yet
    assert is_provably_gone(process)
    child.wait()
    assert is_provably_gone(process)


def test_another_process_with_the_same_pid_is_another_one() -> None:
    assert is_provably_gone(replace(this_process(), started="1"))


@pytest.mark.parametrize("change", [{"boot": "b"}, {"namespace": "n"}, {"boot": ""}])
def test_what_can_not_be_seen_from_here_is_not_called_gone(change: dict[str, str]) -> None:
    elsewhere: Process = replace(this_process(), pid=2**30, **change)
    assert not is_provably_gone(elsewhere)
