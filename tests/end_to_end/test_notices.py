"""The commands tell people by themselves, and are not the worse for it where nobody listens."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from tests.end_to_end.conftest import Server, Terminal, environment
from tests.notices.receivers import Webhook, open_webhook

pytestmark = pytest.mark.end_to_end

SECRET = "t0ken-of-the-hook"


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    async with open_webhook() as opened:
        yield opened


async def run(terminal: Terminal, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(terminal.run, *arguments)


async def test_a_refused_file_is_told_by_the_command_and_no_secret_shows(
    start_sandbox: Callable[..., Server], terminal: Terminal, hook: Webhook
) -> None:
    channels = terminal.folder / "channels"
    channels.write_text(f"{hook.address('/' + SECRET)}\n")
    terminal.settings = start_sandbox().settings | {"BATCH_ISSUER_NOTIFY_FILE": str(channels)}
    terminal.write([700_000_001, 0])
    done = await run(terminal, "-vv", "issue", "in.csv")

    assert done.returncode == 3
    assert hook.subjects() == ["in.csv was refused: nothing was sent"]
    assert re.search(r"INFO notice told channel=json kind=refused", done.stderr)
    assert SECRET not in done.stdout + done.stderr
    assert "700000001" not in done.stderr + hook.told[0].text


async def test_a_channel_that_is_gone_changes_nothing_but_a_line_of_the_log(
    start_sandbox: Callable[..., Server], terminal: Terminal
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    settings = start_sandbox().settings
    terminal.settings = settings | {"BATCH_ISSUER_NOTIFY": f"json://127.0.0.1:{port}/{SECRET}"}
    terminal.write([700_000_001, 0])
    done = await run(terminal, "issue", "in.csv")

    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(
        r"\S+ WARNING a channel did not take a notice; it is told the next time channel=json kind=refused",
        line,
    )


async def test_what_waits_is_listed_with_its_age(
    start_sandbox: Callable[..., Server], terminal: Terminal
) -> None:
    terminal.settings = start_sandbox().settings
    terminal.write([700_000_001, 700_000_002])
    assert (await run(terminal, "issue", "in.csv", "--name", "spring")).returncode == 0
    shown = await run(terminal, "batches", "--pending-over", "0")
    listed = json.loads((await run(terminal, "batches", "--pending-over", "0", "--json")).stdout)
    none = await run(terminal, "batches", "--pending-over", "1")

    assert re.search(r"\S+ +2 +1  under an hour +in\.csv \(spring\)\n", shown.stdout)
    assert [(one["rows"], one["requests"], one["pending_hours"]) for one in listed] == [(2, 1, 0.0)]
    assert none.stdout == "No approval has waited for so long, as far as the ledger knows.\n"


def test_apprise_is_not_loaded_where_nobody_is_told(
    start_sandbox: Callable[..., Server], terminal: Terminal
) -> None:
    terminal.settings = start_sandbox().settings
    terminal.write([700_000_001])
    script = (
        "import sys; from batch_issuer.cli.app import main\n"
        "try: main(['issue', 'in.csv'])\nexcept SystemExit as ended: print(ended.code)\n"
        "print('apprise' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=terminal.folder,
        env={**environment(), **terminal.settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-2:] == ["0", "False"]
