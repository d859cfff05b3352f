"""A pass that is killed: `python -m tests.inbox.crash FACTS` dies at a change of a name in the folder."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import open_services
from batch_issuer.inbox import Completeness, PassOptions, work_folder_and_tell
from batch_issuer.settings import Settings
from tests.inbox.mortal import dies_by_changes
from tests.pipeline.world import MovedTime


async def one_pass(facts: dict[str, Any], folder: Path) -> None:
    time = MovedTime()
    time.instant = datetime.fromisoformat(facts["instant"])
    options = PassOptions(issue=IssueOptions(check_badges=False), rule=Completeness())
    settings = Settings.model_validate(facts["settings"])
    async with open_services(settings, clock=time.clock(), stopping=asyncio.Event()) as services:
        await work_folder_and_tell(services, folder, options)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    place = Path(given["folder"])
    with asyncio.Runner(loop_factory=dies_by_changes(given["changes"], place)) as runner:
        runner.run(one_pass(given, place))
