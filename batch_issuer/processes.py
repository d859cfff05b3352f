"""Who a process is, so that another one can tell whether it is still there."""

import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_STARTED: Final = 19
_DEAD: Final = frozenset({"Z", "X", "x"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process: its pid alone means nothing on another machine, in another container, or later."""

    host: str
    boot: str
    """The id that the kernel drew when the machine started; empty where the system tells none."""
    namespace: str
    """In which pids are counted: containers of one machine have one each."""
    pid: int
    started: str
    """When it started, in ticks since the boot: a pid comes again."""


def this_process() -> Process:
    """Tell who runs this."""
    started = _state_and_start(os.getpid())
    return Process(
        host=socket.gethostname(),
        boot=_boot(),
        namespace=_namespace(),
        pid=os.getpid(),
        started="" if started is None else started[1],
    )


def machine_user() -> str:
    """Tell as which user of this machine the process runs."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a number without a name
        return str(os.geteuid())


def is_provably_gone(process: Process) -> bool:
    """Tell whether a process has ended for certain: only for one of this boot and namespace that can be told.

    One that is stopped is not gone: it may wake.
    """
    if not process.boot or (process.boot, process.namespace) != (_boot(), _namespace()):
        return False
    try:
        os.kill(process.pid, 0)  # sends nothing; /proc may hide the processes of other users, this does not
    except ProcessLookupError:
        return True
    except OSError:
        pass
    present = _state_and_start(process.pid)
    return present is not None and (present[0] in _DEAD or present[1] != process.started)


def is_near(process: Process, other: Process) -> bool:
    """Tell whether one of two processes can see for certain that the other has ended."""
    return bool(process.boot) and (process.boot, process.namespace) == (other.boot, other.namespace)


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _state_and_start(pid: int) -> tuple[str, str] | None:
    """Return a process's state and start time, or None where they can't be seen."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    state, *rest = text.rpartition(")")[2].split()  # the name before may hold blanks and brackets
    return state, rest[_STARTED - 1]
