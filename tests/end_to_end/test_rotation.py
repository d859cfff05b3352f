"""A password that is changed between two commands is used by the second."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batch_issuer.sandbox import Sandbox
from tests.end_to_end.conftest import Terminal

if TYPE_CHECKING:
    from subprocess import CompletedProcess

pytestmark = pytest.mark.end_to_end

NEW = "An0ther-Password"


@dataclass(slots=True, kw_only=True)
class Rotation:
    """A maker whose password stands in a file, as a container or systemd gives it."""

    sandbox: Sandbox
    terminal: Terminal
    file: Path

    async def run(self, *arguments: str) -> "CompletedProcess[str]":
        done = await asyncio.to_thread(self.terminal.run, *arguments)
        assert NEW not in done.stdout + done.stderr
        return done

    async def issue(self, *customers: int) -> tuple[int, dict[str, Any]]:
        self.terminal.write(customers)
        done = await self.run("issue", "in.csv", "--json")
        return done.returncode, json.loads(done.stdout)

    def rotate_file(self) -> None:
        """Replace the file behind its link at once, as Kubernetes does."""
        folder = self.file.parent
        (folder / "second").write_text(f"{NEW}\n")
        (folder / "new").symlink_to("second")
        (folder / "new").rename(folder / "current")


def counts_of(summary: dict[str, Any]) -> dict[str, int]:
    """Return the outcomes that occur."""
    return {outcome: count for outcome, count in summary["counts"].items() if count}


@pytest.fixture
async def rotation(tmp_path: Path, terminal: Terminal) -> AsyncIterator[Rotation]:
    async with Sandbox() as sandbox:
        known = sandbox.credentials
        secrets = tmp_path / "secrets"
        secrets.mkdir()
        (secrets / "first").write_text(f"{known.maker_password}\n")
        (secrets / "current").symlink_to("first")
        (secrets / "password").symlink_to("current")
        facts = {
            "base_url": sandbox.url,
            "username": known.maker_username,
            "password_file": str(secrets / "password"),
            "org_id": known.org_id,
            "ui_auth_token": known.maker_ui_token,
            **{f"{name}_id": "1" for name in ("till", "store", "zone", "concept")},
            "rate": "0",
        }
        terminal.settings = {f"BATCH_ISSUER_{name.upper()}": value for name, value in facts.items()}
        yield Rotation(sandbox=sandbox, terminal=terminal, file=secrets / "password")


async def test_a_new_password_is_used_by_the_next_command(rotation: Rotation) -> None:
    assert (await rotation.issue(700_000_001))[0] == 0
    rotation.sandbox.change_maker_password(NEW)
    rotation.rotate_file()
    code, summary = await rotation.issue(700_000_002)
    assert (code, counts_of(summary)) == (0, {"pending": 1})
    assert rotation.sandbox.posts == 2
