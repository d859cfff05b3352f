"""`doctor` as an administrator meets it: one line for each check, an exit code, and no secret."""

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import make_authority
from tests.end_to_end.conftest import Server, Terminal
from tests.gateway.servers import raw_server
from tests.gateway.test_reaching import say_nothing

pytestmark = pytest.mark.end_to_end

LOGIN = {"BATCH_ISSUER_USERNAME": "invented", "BATCH_ISSUER_PASSWORD": "invented-1"}
CHECKS = [
    *(
        "settings",
        "sending",
        "secrets",
        "notices",
        "output",
        "disk",
        "ledger",
        "batches",
        "server",
        "certificate",
    ),
    *("credentials", "clock", "list", "badges", "submitting", "checker"),
]


def test_each_check_is_one_line_with_what_to_do_next(
    start_sandbox: Callable[..., Server], terminal: Terminal
) -> None:
    server = start_sandbox()
    terminal.settings = server.settings
    done = terminal.run("doctor")
    lines = done.stdout.split("\n\n")[0].splitlines()
    assert done.returncode == 0, done.stdout
    assert [line[13:].split()[0] for line in lines] == CHECKS
    assert {line[:13].strip() for line in lines} == {"ok", "not checked"}
    assert done.stdout.endswith("\nNext: batch-issuer plan FILE\n")
    assert done.stderr == ""
    assert list(terminal.folder.iterdir()) == []
    assert server.truth()["posts"]["received"] == 0


def test_the_same_is_told_to_programs(start_sandbox: Callable[..., Server], terminal: Terminal) -> None:
    terminal.settings = {**start_sandbox().settings, "BATCH_ISSUER_PASSWORD": "wrong-Password-1"}
    done = terminal.run("--log-format", "json", "-vv", "doctor", "--json")
    told = json.loads(done.stdout)
    states = {check["check"]: check["state"] for check in told["checks"]}
    assert done.returncode == told["exit_code"] == 6
    assert [check["check"] for check in told["checks"]] == CHECKS
    assert (states["credentials"], states["list"]) == ("problem", "not_checked")
    assert "wrong-Password-1" not in done.stdout + done.stderr


def test_settings_that_are_wrong_end_with_2_and_a_server_that_is_away_with_5(terminal: Terminal) -> None:
    wrong = terminal.run("doctor")
    assert wrong.returncode == 2
    assert "BASE_URL is missing" in wrong.stdout
    names = ("USERNAME", "PASSWORD", "TILL_ID", "STORE_ID", "ZONE_ID", "CONCEPT_ID")
    terminal.settings = {f"BATCH_ISSUER_{name}": "invented-1" for name in names}
    terminal.settings["BATCH_ISSUER_BASE_URL"] = "http://127.0.0.1:9"
    away = terminal.run("doctor")
    assert away.returncode == 5
    assert "problem      server       127.0.0.1:9 can't be connected to (" in away.stdout
    assert away.stdout.endswith("When they are solved: batch-issuer doctor\n")


async def test_a_private_authority_is_trusted_where_its_file_is_named(
    tmp_path: Path, terminal: Terminal
) -> None:
    authority = make_authority(tmp_path)

    async def told(tls: ssl.SSLContext, **variables: str) -> str:
        async with raw_server(say_nothing, tls=tls) as server:
            terminal.settings = {"BATCH_ISSUER_BASE_URL": server.url, **variables}
            return (await asyncio.to_thread(terminal.run, "doctor")).stdout

    assert "nobody this machine trusts" in await told(authority.serving())
    trusting = await told(authority.serving(), SSL_CERT_FILE=str(authority.file), **LOGIN)
    assert "is valid until" in trusting
    assert "the connection broke" in trusting  # a call came through, too, and this server says nothing
