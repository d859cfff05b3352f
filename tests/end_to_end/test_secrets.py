"""No secret gets out, and no customer id gets into a log."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.sandbox import Credentials, Sandbox, Scenario
from tests.end_to_end.conftest import Server, Terminal
from tests.pipeline.world import BADGES, customers, open_world

pytestmark = pytest.mark.end_to_end

SECRETS = {
    "maker_password": "hunter2-Maker-Pa55",
    "maker_key": "key-5ecret-Maker",
    "maker_secret": "oauth-5ecret-Maker",
    "maker_ui_token": "ui-5ecret-token-Maker",
}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("login", ["basic", "oauth"])
async def test_no_secret_is_in_any_file(
    tmp_path: Path, login: str, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = Credentials(**SECRETS)
    overrides: dict[str, Any] = {"chunk_size": 5}
    inner = "Basic SW5uZXI1ZWNyZXQ6Q2FsbA=="
    if login == "oauth":
        overrides |= {
            "client_key": SECRETS["maker_key"],
            "client_secret": SECRETS["maker_secret"],
            "intouch_authorization": inner,
        }
    scenario = Scenario(decide_after_seconds=1, seed=4, reject_share=0.2, fail_share=0.2, holder_share=0.2)
    async with open_world(tmp_path, scenario, credentials, **overrides) as world:
        names = ["maker_key", "maker_secret"] if login == "oauth" else ["maker_password"]
        _echo_secrets(world.sandbox, *names, "maker_ui_token")
        summary = await world.issue(world.write(customers(60, badges=3)), wait=120)
        told = str(summary.as_json()) + repr(world.settings())
    captured = capsys.readouterr()
    hidden = [*SECRETS.values(), inner.removeprefix("Basic "), "bWFrZXIudGlsbDpodW50ZXIy"]
    places = {path.name: path.read_bytes().decode("latin-1") for path in files_below(world.output)}
    places |= {"told": told, "out": captured.out, "err": captured.err}
    assert "ledger.db" in places
    for secret in hidden:
        for name, content in places.items():
            assert secret not in content, f"{secret} is in {name}"


def _echo_secrets(sandbox: Sandbox, *names: str) -> None:
    """Let the server repeat credentials in an error, as careless servers do."""
    sandbox.will_answer(400, body=_echo_of(*names))


def _echo_of(*names: str) -> bytes:
    told = " ".join(SECRETS[name] for name in names)
    return f'{{"errors": [{{"code": 400, "message": "bad call by {told}"}}]}}'.encode()


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_secret_is_printed_or_logged(terminal: Terminal, log_format: str) -> None:
    known = Credentials(**SECRETS)
    async with Sandbox(credentials=known) as sandbox:
        facts = {
            "base_url": sandbox.url,
            "username": known.maker_username,
            "password": known.maker_password,
            "org_id": known.org_id,
            "ui_auth_token": known.maker_ui_token,
            **{f"{name}_id": "1" for name in ("till", "store", "zone", "concept")},
        }
        terminal.settings = {f"BATCH_ISSUER_{name.upper()}": value for name, value in facts.items()}
        terminal.write(range(700_000_001, 700_000_003))
        told = ""
        for command in (("issue", "in.csv", "--no-check-badges"), ("doctor",), ("doctor", "--json")):
            _echo_secrets(sandbox, "maker_password", "maker_ui_token")
            sandbox.will_answer_reads(401, body=_echo_of("maker_password", "maker_ui_token"))
            done = await asyncio.to_thread(terminal.run, "-vv", "--log-format", log_format, *command)
            told += done.stdout + done.stderr
    assert "bad call by ********** **********" in told
    for name in ("maker_password", "maker_ui_token"):
        assert SECRETS[name] not in told
    assert "bWFrZXIudGlsbDpodW50ZXIy" not in told


def test_no_customer_id_is_logged(start_sandbox: Callable[..., Server], terminal: Terminal) -> None:
    server = start_sandbox("--decide-after", "0", "--fail-share", "0.3", "--holder-share", "0.3")
    terminal.settings = server.settings
    rows = "".join(f"{700_000_000 + n},{BADGES[n % 3]}\n" for n in range(90)) + f"70000x,{BADGES[0]}\n"
    (terminal.folder / "in.csv").write_text("customer_id,badge_meta_id\n" + rows)
    for log_format in ("text", "json"):
        done = terminal.run(
            *("-vv", "--log-format", log_format),
            *("issue", "in.csv", "--again", "--on-invalid", "skip", "--rate", "0", "--chunk-size", "3"),
        )
        assert done.returncode == 4
        assert "submitted" in done.stderr
        assert not re.search(r"7000000\d\d|70000x", done.stderr)
