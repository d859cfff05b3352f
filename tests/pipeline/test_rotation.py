"""What a change of the password means for a batch that was stopped, and for what waits for approval."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.pipeline import retry
from batch_issuer.sandbox import Sandbox
from batch_issuer.settings import Settings, load_settings
from tests.pipeline.world import MovedTime, World, customers, outcomes

NEW = "An0ther-Password"


@dataclass(slots=True, kw_only=True)
class FileWorld(World):
    """A world whose password is read from its file for each command."""

    def settings(self) -> Settings:
        known = self.sandbox.credentials
        facts = {
            "base_url": self.sandbox.url,
            "username": known.maker_username,
            "password_file": str(self.folder / "password"),
            "org_id": known.org_id,
            "ui_auth_token": known.maker_ui_token,
            **{f"{name}_id": "1" for name in ("till", "store", "zone", "concept")},
            "output": str(self.output),
            "rate": "0",
            "chunk_size": "3",
        }
        return load_settings(environ={f"BATCH_ISSUER_{name.upper()}": value for name, value in facts.items()})

    def change_password(self) -> None:
        """Change the password on the server; its file is another matter."""
        self.sandbox.change_maker_password(NEW)

    def change_file(self, password: str = NEW) -> None:
        (self.folder / "password").write_text(f"{password}\n")


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FileWorld]:
    monkeypatch.chdir(tmp_path)
    time = MovedTime()
    async with Sandbox(clock=time.seconds, sleep=time.sleep) as sandbox:
        world = FileWorld(sandbox=sandbox, output=tmp_path / "output", folder=tmp_path, time=time)
        world.change_file(sandbox.credentials.maker_password)
        yield world


async def test_a_batch_that_the_old_password_stopped_goes_on_with_the_new_one(world: FileWorld) -> None:
    world.change_password()
    stopped = await world.issue(world.write(customers(7)))
    world.change_file()
    world.stopping = asyncio.Event()  # another process
    resumed = await world.resume()
    assert stopped.exit_code is ExitCode.NO_PERMISSION
    assert stopped.next_command.startswith("batch-issuer resume")
    assert outcomes(resumed) == {"pending": 7}
    assert len(world.sandbox.requests) == 3


async def test_what_is_approved_after_the_change_fails_and_is_sent_again_with_the_new_password(
    world: FileWorld,
) -> None:
    issued = await world.issue(world.write(customers(7)))
    world.change_password()
    world.change_file()
    world.sandbox.decide_all("approved")
    refused = await world.refresh()
    assert outcomes(refused) == {"failed": 7}
    assert refused.next_command == f"batch-issuer retry {issued.batch.batch}"
    await world.run(lambda services: retry(services, issued.batch.batch))
    world.sandbox.decide_all("approved")
    assert outcomes(await world.refresh()) == {"issued": 7}
    assert sum(record.state == "approved" for record in world.sandbox.requests) == 3


async def test_what_was_approved_before_the_change_is_issued(world: FileWorld) -> None:
    await world.issue(world.write(customers(7)))
    world.sandbox.decide_all("approved")
    world.change_password()
    world.change_file()
    assert outcomes(await world.refresh()) == {"issued": 7}
