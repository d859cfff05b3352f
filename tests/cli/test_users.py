"""`users` as an administrator meets it: what it prints, what it asks for, and what is kept."""

import io
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.processes import machine_user
from tests.cli.test_commands import ROOT, run

WORDS = "four words in a row"


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the next commands read a text."""

    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return give


def users(folder: Path) -> dict[str, Any]:
    done = run("users", "list", "--json", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return {user["user"]: user for user in json.loads(done.stdout)}


def test_a_user_is_added_with_a_password_from_standard_input(tmp_path: Path, standard_input: Any) -> None:
    standard_input(f"{WORDS}\r\n")
    done = run("users", "add", "Kim", "--role", "maker", "--role", "admin", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Added kim (admin, maker).\n", "")
    (kim,) = users(tmp_path).values()
    assert (kim["roles"], kim["password"], kim["disabled_at"]) == (["admin", "maker"], True, "")
    shown = run("users", "list", folder=tmp_path).stdout
    assert re.search(r"^kim +admin, maker +\S+Z +with a password$", shown, re.MULTILINE)
    assert "argon2" not in shown + str(kim)


def test_a_drawn_password_is_printed_once(tmp_path: Path) -> None:
    done = run("users", "add", "kim", "--role", "maker", "--generate", folder=tmp_path)
    (password,) = re.findall(r"shown this once: (\S+)", done.stdout)
    assert len(password) > 30
    kept = b"".join(path.read_bytes() for path in (tmp_path / "output").iterdir() if path.is_file())
    assert b"kim" in kept
    assert password.encode() not in kept
    again = run("users", "password", "kim", "--generate", folder=tmp_path).stdout
    assert "shown this once: " in again
    assert password not in again


def test_the_password_is_asked_for_twice_on_a_terminal_and_not_shown(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "batch_issuer", "users", "add", "kim", "--role", "maker"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BATCH_ISSUER_")}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": str(ROOT)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    with process:
        while b"Added kim" not in shown and b"batch-issuer:" not in shown:
            shown += os.read(master, 4_096)
            asked = shown.count(b"assword: ") + shown.count(b"confirmation: ")
            if asked > shown.count(b"\r\n"):
                os.write(master, f"{WORDS}\n".encode())
        process.wait(timeout=60)
    os.close(master)
    assert process.returncode == 0
    assert shown.lower().count(b"password") == 1
    assert WORDS.encode() not in shown
    assert users(tmp_path)["kim"]["password"]


def test_roles_and_doors_change_as_it_is_said(tmp_path: Path) -> None:
    run("users", "add", "kim", "--role", "maker", "--no-password", folder=tmp_path)
    assert "at the proxy" in run("users", "list", folder=tmp_path).stdout
    assert run("users", "roles", "kim", "--role", "checker", folder=tmp_path).stdout == "kim: checker.\n"
    assert run("users", "disable", "kim", folder=tmp_path).stdout.startswith("kim is disabled.\n")
    assert "disabled at 2" in run("users", "list", folder=tmp_path).stdout
    assert users(tmp_path)["kim"]["disabled_at"]
    assert run("users", "enable", "kim", folder=tmp_path).returncode == 0
    kim = users(tmp_path)["kim"]
    assert (kim["roles"], kim["disabled_at"], kim["password"]) == (["checker"], "", False)


def test_a_token_stands_alone_on_standard_output_and_can_be_revoked(tmp_path: Path) -> None:
    run("users", "add", "kim", "--role", "maker", "--no-password", folder=tmp_path)
    made = run("users", "token", "kim", "--for", "the shop", "--days", "7", folder=tmp_path)
    assert re.fullmatch(r"bi_[\w-]{43}\n", made.stdout)
    (token,) = users(tmp_path)["kim"]["tokens"]
    assert f"Token {token['token']}, for 7 days." in made.stderr
    assert (token["for"], token["revoked_at"]) == ("the shop", "")
    shown = run("users", "list", folder=tmp_path).stdout
    assert f"token {token['token']} until {token['ends_at']}, for the shop" in shown
    assert made.stdout.strip() not in shown + json.dumps(token)
    assert "is revoked." in run("users", "revoke", token["token"], folder=tmp_path).stdout
    assert users(tmp_path)["kim"]["tokens"][0]["revoked_at"]
    assert "the shop" not in run("users", "list", folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "text", "line"),
    [
        (["add", "kim", "--role", "maker"], "short\n", "12 to 1,024 characters"),
        (["add", "kim", "--role", "maker"], "", "no password came on standard input"),
        (["add", "k m", "--role", "maker"], f"{WORDS}\n", "letters from a to z"),
        (["add", "kim", "--role", "maker", "--generate", "--no-password"], "", "contradict each other"),
        (["add", "lee", "--role", "maker"], f"{WORDS}\n", "already"),
        (["add", "kim", "--role", "boss"], "", "boss"),
        (["add", "kim"], "", "--role"),
        (["roles", "nobody", "--role", "maker"], "", "there is no user 'nobody'"),
        (["roles", "lee", "--role", "maker"], "", "only admin"),
        (["disable", "lee"], "", "only admin"),
        (["revoke", "0123"], "", "there is no token '0123'"),
        (["token", "lee", "--for", " "], "", "what the token is for"),
    ],
)
def test_what_can_not_be_is_told_with_what_to_do_and_changes_nothing(
    tmp_path: Path, standard_input: Any, arguments: list[str], text: str, line: str
) -> None:
    run("users", "add", "lee", "--role", "admin", "--no-password", folder=tmp_path)
    before = users(tmp_path)
    standard_input(text)
    done = run("users", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert users(tmp_path) == before


def test_who_ran_the_command_is_in_the_audit_log(tmp_path: Path) -> None:
    run("users", "add", "kim", "--role", "maker", "--no-password", folder=tmp_path)
    with sqlite3.connect(tmp_path / "output" / "ledger.db") as connection:
        told = connection.execute("select user, via, action, about from audit").fetchall()
    assert told == [(machine_user(), "command line", "user_added", "kim")]


def test_a_batch_of_the_command_line_tells_which_user_of_the_machine_issued_it(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("customer_id,badge_meta_id\nx,y\n")
    login = {"USERNAME": "till", "PASSWORD": "invented", "TILL_ID": "1", "STORE_ID": "1"}
    known = {"BASE_URL": "http://127.0.0.1:9", "ZONE_ID": "1", "CONCEPT_ID": "1", **login}
    done = run("issue", "in.csv", "--no-check-badges", folder=tmp_path, **known)
    assert done.returncode == 3
    with sqlite3.connect(tmp_path / "output" / "ledger.db") as connection:
        told = connection.execute("select issued_by, stage from batches").fetchall()
    assert told == [(machine_user(), "refused")]


def test_without_a_user_the_next_command_is_told(tmp_path: Path) -> None:
    assert "Next: batch-issuer users add" in run("users", "list", folder=tmp_path).stdout
    assert users(tmp_path) == {}
