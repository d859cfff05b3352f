"""Programs that would change the machine, played: each checks what it is asked as strictly as the real one.

`python -m tests.end_to_end.stand_ins NAME ARGUMENTS`, with the folder of the machine in MACHINE.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

from tests.deploy.units import SYSTEMD_ANALYZE, Unit, read_unit, verify

MACHINE = Path(os.environ.get("MACHINE", "/nowhere"))
UNITS = MACHINE / "etc/systemd/system"
USERS = MACHINE / "users"
COMMANDS = {"start", "stop", "status", "enable", "disable", "daemon-reload", "list-timers"}
SECONDS = 60


def refuse(why: str) -> NoReturn:
    """End as a program does that can't do what it was asked."""
    sys.exit(f"played: {why}")


def users() -> list[str]:
    """Name the users of the machine."""
    return ["root", *(USERS.read_text().split() if USERS.exists() else [])]


def sudo(*arguments: str) -> None:
    """Run a command as root, or as a user that exists."""
    rest = list(arguments)
    if rest[0] == "-u":
        if rest[1] not in users():
            refuse(f"there is no user {rest[1]}")
        rest = rest[2:]
    os.execvp(rest[0], rest)  # noqa: S606 - the page's own words


def useradd(*arguments: str) -> None:
    """Add a user, with the options of the real program."""
    takes_value = {"--home-dir", "--shell"}
    rest = list(arguments)
    while rest and rest[0].startswith("--"):
        option = rest.pop(0)
        if option in takes_value:
            rest.pop(0)
        elif option not in {"--system", "--user-group"}:
            refuse(f"useradd has no option {option}")
    (name,) = rest
    USERS.write_text(" ".join([*users()[1:], name]))


def userdel(name: str) -> None:
    """Remove a user that exists."""
    if name not in users():
        refuse(f"there is no user {name}")
    USERS.write_text(" ".join(user for user in users()[1:] if user != name))


def install(*arguments: str) -> None:
    """Let the real program do it, but for the owner, who must exist."""
    kept = []
    for argument in arguments:
        option, _, value = argument.partition("=")
        if option not in {"--owner", "--group"}:
            kept.append(argument)
        elif value not in users():
            refuse(f"there is no user {value}")
    keep_inside(*(path for path in kept if path.startswith("/") and path != "/dev/stdin"))
    os.execv("/usr/bin/install", ["install", *kept])  # noqa: S606 - the real program


def rm(*arguments: str) -> None:
    """Remove for real, but only below the folder of the machine."""
    keep_inside(*(path for path in arguments if not path.startswith("-")))
    os.execv("/bin/rm", ["rm", *arguments])  # noqa: S606 - the real program


def keep_inside(*paths: str) -> None:
    """Refuse paths that a page names and the machine did not move: the real ones."""
    for path in paths:
        if not Path(path).resolve().is_relative_to(MACHINE.resolve()):
            refuse(f"{path} is outside of the machine")


def python3(module: str, venv: str, folder: str) -> None:
    """Make an environment: its pip is played, too."""
    if (module, venv) != ("-m", "venv"):
        refuse(f"python3 {module} {venv}")
    keep_inside(folder)
    programs = Path(folder) / "bin"
    programs.mkdir(parents=True)
    write_program(programs / "pip", f'-m tests.end_to_end.stand_ins pip {shlex.quote(folder)} "$@"')


def pip(folder: str, install: str, *arguments: str) -> None:
    """Install what is locked, then this project: its command runs as it is here."""
    rest = [word for word in arguments if word != "--force-reinstall"]
    installed = Path(folder) / "installed"
    match [install, *rest]:
        case ["install", "--require-hashes", "-r", file] if Path(file).read_text().count("--hash="):
            installed.touch()
        case ["install", "--no-deps", "."] if installed.exists() and Path("pyproject.toml").exists():
            write_program(Path(folder) / "bin" / "batch-issuer", '-m batch_issuer "$@"')
        case _:
            refuse(f"pip {install} {rest}")


def write_program(path: Path, python: str) -> None:
    """Write a program that runs this Python."""
    path.write_text(f"#!/bin/sh\nPYTHONPATH={os.environ['PYTHONPATH']} exec {sys.executable} {python}\n")
    path.chmod(0o755)


def systemd_ask_password(question: str) -> None:
    """Answer as a person would."""
    answers = dict(line.split("\t") for line in (MACHINE / "answers").read_text().splitlines())
    (answer,) = (text for part, text in answers.items() if part in question)
    sys.stdout.write(f"{answer}\n")


def journalctl(*arguments: str) -> None:
    """Show what a unit has said."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if set(options) != {"--unit", "--since"}:
        refuse(f"journalctl {arguments}")
    unit(options["--unit"])
    sys.stdout.write((MACHINE / options["--unit"]).read_text())


def systemctl(verb: str, *arguments: str) -> None:
    """Do with units what systemd does, as far as the pages ask for it."""
    names = [argument for argument in arguments if argument != "--now"]
    if verb not in COMMANDS or bool(names) == (verb == "daemon-reload"):
        refuse(f"systemctl {verb} {names}")
    if verb == "daemon-reload" and SYSTEMD_ANALYZE and (complaint := verify(UNITS)):
        refuse(complaint)
    if verb == "list-timers":
        if not any(fnmatch(path.name, names[0]) for path in UNITS.glob("*.timer")):
            refuse(f"no timer is named {names[0]}")
        return
    for found in map(unit, names):
        if verb in {"enable", "disable"}:
            found.one("Install", "WantedBy")
        is_now = verb in {"start", "stop"} or "--now" in arguments
        if found.name.endswith(".service") and is_now:
            _START_OR_STOP[verb](found)


def unit(name: str) -> Unit:
    """Read a unit that is installed."""
    path = UNITS / name
    if not path.is_file():
        refuse(f"there is no unit {name}")
    return read_unit(path)


def start(found: Unit) -> None:
    """Run a service to its end, or leave it in the background where it stays."""
    if found.one("Service", "Type") != "oneshot":
        start_in_background(found)
        return
    code = run(found, found.one("Service", "ExecStart"))
    if not is_success(found, code):
        refuse(f"{found.name} failed with {code}: {said_by(found)}")
    for line in found.all("Service", "ExecStartPost"):
        if run(found, line) != 0:
            refuse(f"{line} failed")


def start_in_background(found: Unit) -> None:
    """Start a service that stays, and wait until it is ready to be stopped in order."""
    program = f'{found.one("Service", "ExecStart")} & echo $! > "$0.pid"; wait $!; echo $? > "$0.code"'
    with (MACHINE / found.name).open("w") as log:
        subprocess.Popen(
            ["/bin/sh", "-c", program, str(MACHINE / found.name)],
            env=environment_of(found),
            cwd=found.one("Service", "WorkingDirectory"),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    wait_until(
        lambda: catches_sigterm(MACHINE / f"{found.name}.pid"), f"{found.name} ended: {said_by(found)}"
    )


def catches_sigterm(pid_file: Path) -> bool:
    """Tell whether a process has come so far that it will end in order."""
    try:
        status = Path(f"/proc/{int(pid_file.read_text())}/status").read_text()
    except (OSError, ValueError):
        return False
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def stop(found: Unit) -> None:
    """Ask a service to end, as systemd does, if it runs; it must end well."""
    pid, code = MACHINE / f"{found.name}.pid", MACHINE / f"{found.name}.code"
    if not pid.exists():
        return
    os.kill(int(pid.read_text()), signal.SIGTERM)
    wait_until(lambda: code.exists() and bool(code.read_text()), f"{found.name} does not end")
    if not is_success(found, int(code.read_text())):
        refuse(f"{found.name} ended with {code.read_text()}: {said_by(found)}")


_START_OR_STOP = {"start": start, "enable": start, "stop": stop, "disable": stop}


def said_by(found: Unit) -> str:
    """Return what a service has written."""
    return (MACHINE / found.name).read_text()


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait for another process, or refuse."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            refuse(otherwise)
        time.sleep(0.05)


def run(found: Unit, line: str) -> int:
    """Run a line of a service, and return its exit code."""
    folder = found.one("Service", "WorkingDirectory")
    with (MACHINE / found.name).open("a") as log:
        return subprocess.run(
            shlex.split(line), env=environment_of(found), cwd=folder, stdout=log, stderr=log, check=False
        ).returncode


def is_success(found: Unit, code: int) -> bool:
    """Tell whether systemd takes an exit code for a success."""
    listed = " ".join(found.all("Service", "SuccessExitStatus")).split()
    return code in {0, *map(int, listed)}


def environment_of(found: Unit) -> dict[str, str]:
    """Return a service's environment, with its credentials in a folder of their own."""
    if found.one("Service", "User") not in users():
        refuse("the user of the service does not exist")
    folder = MACHINE / "credentials" / found.name
    folder.mkdir(parents=True, exist_ok=True)
    for value in found.all("Service", "LoadCredential"):
        name, source = value.split(":")
        shutil.copy(source, folder / name)
    variables = [
        value.replace("%d", str(folder)).split("=", 1) for value in found.all("Service", "Environment")
    ]
    return {"PATH": "/usr/bin:/bin", **dict(variables)}


if __name__ == "__main__":
    name, *given = sys.argv[1:]
    globals()[name.replace("-", "_")](*given)
