"""The units of systemd: they are valid, hardened, and run commands that exist."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.settings import Settings, secret_names, unknown_variables
from tests.deploy.command_lines import DEPLOY, parse
from tests.deploy.units import SYSTEMD_ANALYZE, WITHOUT_SYSTEMD, Unit, analyze, read_unit, verify

UNITS = DEPLOY / "systemd"
COMMAND = "/opt/batch_issuer/bin/batch-issuer"
needs_systemd = pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason=WITHOUT_SYSTEMD)

SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
TIMERS = sorted(path.name for path in UNITS.glob("*.timer"))
COMMANDS = {
    "batch-issuer-backup.service": "backup",
    "batch-issuer-console.service": "serve",
    "batch-issuer-inbox.service": "inbox",
    "batch-issuer-prune.service": "prune",
    "batch-issuer-watch.service": "inbox",
}
EXPOSURE = 20  # of 100, as `systemd-analyze security` counts; 100 is a service with no walls at all


def service(name: str) -> Unit:
    return read_unit(UNITS / name)


def copy_units(folder: Path) -> Path:
    """Copy the units for a machine that has the command in this folder."""
    command = folder / "batch-issuer"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    units = folder / "units"
    shutil.copytree(UNITS, units)
    for path in units.glob("*.service"):
        path.write_text(path.read_text().replace(COMMAND, str(command)))
    return units


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    assert verify(copy_units(tmp_path)) == ""


@needs_systemd
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("batch-issuer-.service.d/10-common.conf", "ProtectSystem=strict", "ProtectSytem=strict"),
        ("batch-issuer-inbox.service", "Type=oneshot", "Type=twoshot"),
        ("batch-issuer-inbox.service", "ExecStart=/", "ExecStart=/not/there/"),
        ("batch-issuer-inbox.timer", "OnCalendar=*", "OnCalendar=every night"),
    ],
)
def test_systemd_would_find_a_mistake(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    units = copy_units(tmp_path)
    text = (units / file).read_text()
    assert right in text
    (units / file).write_text(text.replace(right, wrong))
    assert verify(units) != ""


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_little_to_attack(tmp_path: Path, name: str) -> None:
    units = copy_units(tmp_path)
    done = analyze(
        units, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(units / name)
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_an_ordinary_user_on_a_machine_it_can_only_read(name: str) -> None:
    unit = service(name)
    assert unit.one("Service", "User") == unit.one("Service", "Group") == "batch_issuer"
    assert unit.one("Service", "ProtectSystem") == "strict"
    assert unit.one("Service", "NoNewPrivileges") == "true"
    assert unit.all("Service", "CapabilityBoundingSet") == []
    assert unit.all("Service", "ReadWritePaths") == ["-/srv/batch_issuer"]
    assert unit.one("Service", "StateDirectory") == "batch_issuer"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    program, *arguments = shlex.split(service(name).one("Service", "ExecStart"))
    assert program == COMMAND
    assert arguments[:2] == ["--config", "/etc/batch_issuer/batch_issuer.toml"]
    assert parse(arguments) == COMMANDS[name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_handed_over_by_systemd_as_the_setting_of_its_name(name: str) -> None:
    unit = service(name)
    credentials = dict(value.split(":") for value in unit.all("Service", "LoadCredential"))
    variables = dict(value.split("=") for value in unit.all("Service", "Environment"))
    assert credentials == {name: f"/etc/batch_issuer/secrets/{name}" for name in credentials}
    assert variables == {f"BATCH_ISSUER_{name.upper()}_FILE": f"%d/{name}" for name in credentials}
    assert unknown_variables(variables) == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_is_stopped_has_the_time_to_end_in_order(name: str) -> None:
    timeout = Settings.model_fields["timeout"].default
    assert int(service(name).one("Service", "TimeoutStopSec")) >= 2 * timeout
    assert service(name).one("Service", "KillMode") == "mixed"


def test_a_pass_is_a_success_when_all_is_done_even_if_some_rows_need_a_look() -> None:
    assert service("batch-issuer-inbox.service").one("Service", "SuccessExitStatus") == str(
        ExitCode.ROWS_NEED_A_LOOK.value
    )


@pytest.mark.parametrize("name", ["batch-issuer-watch.service", "batch-issuer-console.service"])
def test_what_runs_on_is_started_again_unless_that_can_not_help(name: str) -> None:
    watch = service(name)
    assert watch.one("Service", "Restart") == "always"
    not_again = {ExitCode(int(code)) for code in watch.one("Service", "RestartPreventExitStatus").split()}
    assert not_again == {ExitCode.USAGE, ExitCode.NO_PERMISSION}


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_starts_a_service_that_exists_and_makes_up_for_a_machine_that_was_off(name: str) -> None:
    timer = read_unit(UNITS / name)
    assert name.replace(".timer", ".service") in SERVICES
    assert timer.one("Timer", "Persistent") == "true"
    assert timer.one("Install", "WantedBy") == "timers.target"


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    """Return the script for commands by hand, on a machine whose command prints what it was given."""
    secrets = tmp_path / "etc" / "secrets"
    secrets.mkdir(parents=True)
    command = tmp_path / "opt" / "bin" / "batch-issuer"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nenv | grep "^BATCH_ISSUER_" | sort\necho "$@"\n')
    script = tmp_path / "batch-issuer"
    text = (DEPLOY / "bin" / "batch-issuer").read_text()
    for folder in ("etc", "opt"):
        text = text.replace(f"/{folder}/batch_issuer", str(tmp_path / folder))
    script.write_text(text)
    for path in (command, script):
        path.chmod(0o755)
    return script


def run_by_hand(script: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [script, *arguments], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_command_by_hand_knows_each_secret_that_lies_in_the_folder(by_hand: Path) -> None:
    etc = by_hand.parent / "etc"
    for name in secret_names():
        (etc / "secrets" / name).touch()
    *variables, arguments = run_by_hand(by_hand, "show", "two words")
    given = dict(line.split("=") for line in variables)
    assert given == {
        f"BATCH_ISSUER_{name.upper()}_FILE": str(etc / "secrets" / name) for name in secret_names()
    }
    assert arguments == f"--config {etc}/batch_issuer.toml show two words"


def test_a_command_by_hand_needs_no_secret(by_hand: Path) -> None:
    assert run_by_hand(by_hand, "--version") == [f"--config {by_hand.parent}/etc/batch_issuer.toml --version"]
