"""Passes in processes of their own, each of which dies at a moment of its own, as by SIGKILL.

Run as a command by the test: `python -m tests.inbox.mortal FACTS`. It tells on standard output, a line for
each life, how the folder stands after a pass that died and one that did not.
"""

import asyncio
import json
import os
import selectors
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import open_services
from batch_issuer.inbox import Completeness, PassOptions, work_folder
from batch_issuer.settings import Settings
from tests.inbox.watched import rows_of
from tests.pipeline.world import MovedTime

KILLED: Final = 137
_CHANGES: Final = frozenset({"os.rename", "os.mkdir", "os.remove", "os.link", "os.rmdir"})
CUSTOMERS: Final = 7
GOOD, BAD, INVALID = "a.csv", "bad.csv", "invalid.csv"


@dataclass(slots=True)
class Reaper:
    """Ends the process at the so many-th moment."""

    left: int

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os._exit(KILLED)


class MortalLoop(asyncio.SelectorEventLoop):
    """Lives for so many turns."""

    def __init__(self, reaper: Reaper) -> None:
        super().__init__(selectors.DefaultSelector())
        self._reaper = reaper

    def _run_once(self) -> None:
        self._reaper.tick()
        super()._run_once()  # type: ignore[misc]  # asyncio's own, called for each turn


def dies_by_turns(count: int) -> Callable[[], asyncio.AbstractEventLoop]:
    return lambda: MortalLoop(Reaper(count))


def dies_by_changes(count: int, folder: Path) -> Callable[[], asyncio.AbstractEventLoop]:
    """Die right before a name in the folder is made, changed or removed for the so many-th time."""
    reaper = Reaper(count)

    def heed(event: str, facts: tuple[Any, ...]) -> None:
        is_write = event == "open" and isinstance(facts[2], int) and facts[2] & (os.O_WRONLY | os.O_RDWR)
        if (is_write or event in _CHANGES) and str(facts[0]).startswith(f"{folder}/"):
            reaper.tick()

    def new_loop() -> asyncio.AbstractEventLoop:
        sys.addaudithook(heed)
        return asyncio.SelectorEventLoop()

    return new_loop


async def one_pass(settings: Settings, folder: Path) -> None:
    time = MovedTime()
    time.instant = datetime.now(UTC)
    options = PassOptions(
        issue=IssueOptions(check_badges=False), rule=Completeness(min_age=0), refresh_open_days=0
    )
    async with open_services(settings, clock=time.clock(), stopping=asyncio.Event()) as services:
        await work_folder(services, folder, options)


def live(settings: Settings, folder: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> int:
    """Make a pass in a process of its own, and return its end."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(one_pass(settings, folder))
    except BaseException:  # noqa: BLE001 - told to the test, which then fails
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def prepare(folder: Path, first: int) -> None:
    folder.mkdir(parents=True)
    (folder / GOOD).write_text(rows_of(*range(first, first + CUSTOMERS)))
    (folder / INVALID).write_text(rows_of(f"x{first}"))
    (folder / BAD).write_text(f"%PDF {first}")


def report(folder: Path) -> dict[str, Any]:
    """Tell the content of each file, reports by their names alone."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): "" if ".reports/" in str(path) else path.read_text() for path in files
    }


def main(facts: dict[str, Any]) -> None:
    base = Path(facts["folder"])
    for number, (kind, count) in enumerate(facts["deaths"]):
        home = base / f"{kind}-{count}"
        folder, output = home / "in", home / "output"
        first = 1_000 * (number + 1)
        prepare(folder, first)
        output.mkdir()
        shutil.copyfile(facts["ledger"], output / "ledger.db")
        settings = Settings.model_validate({**facts["settings"], "output": output})
        death = dies_by_turns(count) if kind == "turn" else dies_by_changes(count, folder)
        died = live(settings, folder, death)
        healed = live(settings, folder, asyncio.SelectorEventLoop)
        told = {"kind": kind, "count": count, "first": first, "died": died, "healed": healed}
        print(json.dumps({**told, "files": report(folder)}), flush=True)  # noqa: T201 - to the test
        if died != KILLED and facts["until_none_dies"]:
            break


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
