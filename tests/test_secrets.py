"""Every secret may stand in a file, as containers and services give it, and none on the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr

from batch_issuer.cli.app import app
from batch_issuer.settings import load_settings, secret_names
from tests.cli.test_commands import run

SECRET = "s3cret-Value!"
LEDGER = f"postgresql://issuer:{SECRET}@db.example/badges"
CHANNEL = f"jsons://issuer:{SECRET}@hook.example/nights"
CONTENTS = {"ledger": LEDGER, "notify": CHANNEL, "notify_checkers": CHANNEL}


def as_docker_gives_it(folder: Path, content: str) -> Path:
    """Write a file of `/run/secrets`, which is readable for whoever the container runs as."""
    path = folder / "secret"
    path.write_text(content)
    path.chmod(0o444)
    return path


def as_kubernetes_gives_it(folder: Path, content: str) -> Path:
    """Write a file of a mounted secret: a link into a link, which is replaced when the secret changes."""
    (folder / "..2026_03_02").mkdir()
    (folder / "..2026_03_02" / "secret").write_text(content)
    (folder / "..data").symlink_to("..2026_03_02")
    (folder / "secret").symlink_to(Path("..data", "secret"))
    return folder / "secret"


def as_systemd_gives_it(folder: Path, content: str) -> Path:
    """Write a file of `$CREDENTIALS_DIRECTORY`, which a unit names as `%d`: its user alone may read."""
    credentials = folder / "issuer.service"
    credentials.mkdir()
    path = credentials / "secret"
    path.write_text(content)
    path.chmod(0o400)
    credentials.chmod(0o500)
    return path


@pytest.mark.parametrize("give", [as_docker_gives_it, as_kubernetes_gives_it, as_systemd_gives_it])
@pytest.mark.parametrize("name", sorted(secret_names()))
def test_every_secret_may_stand_in_a_file(
    tmp_path: Path, name: str, give: Callable[[Path, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = CONTENTS.get(name, SECRET)
    path = give(tmp_path, f"{content}\n")
    settings = load_settings(environ={f"BATCH_ISSUER_{name.upper()}_FILE": str(path)})
    secret = getattr(settings, name)
    assert isinstance(secret, SecretStr)
    assert secret.get_secret_value() == content
    assert SECRET not in f"{settings!r} {settings.public()}"


def test_no_option_of_any_command_takes_a_secret() -> None:
    tree = typer.main.get_group(app)
    commands = {"": tree, **tree.commands}
    taken = {
        (command, parameter.name)
        for command, known in commands.items()
        for parameter in known.params
        if parameter.name in secret_names()
    }
    assert taken == {("", "ledger")}  # which takes no password: see below


@pytest.mark.parametrize("command", ["batches", "doctor"])
def test_a_ledger_named_with_a_password_on_the_command_line_is_refused(tmp_path: Path, command: str) -> None:
    done = run("--ledger", LEDGER, command, folder=tmp_path)
    assert done.returncode == 2
    assert "--ledger holds a password" in done.stderr
    assert "BATCH_ISSUER_LEDGER_FILE" in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "url", ["sqlite:///ledger.db", "postgresql://issuer@127.0.0.1:9/badges", "http://[x"]
)
def test_a_ledger_named_without_a_password_is_taken_from_the_command_line(tmp_path: Path, url: str) -> None:
    assert "holds a password" not in run("--ledger", url, "batches", folder=tmp_path).stderr
