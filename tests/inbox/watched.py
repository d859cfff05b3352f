"""A watched folder in a world of its own, whose files are as old as a test says."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_issuer.acceptance import IssueOptions
from batch_issuer.inbox import Completeness, PassOptions, PassResult, work_folder
from batch_issuer.ledger import Batch
from batch_issuer.ledger.batches import list_batches
from tests.pipeline.world import BADGES, World

BADGE = BADGES[0]


def rows_of(*customers: object, badge: str = BADGE) -> str:
    return "customer_id,badge_meta_id\n" + "".join(f"{customer},{badge}\n" for customer in customers)


@dataclass(slots=True, kw_only=True)
class Watched:
    """The folder, and passes over it."""

    world: World
    path: Path
    issue: dict[str, Any] = field(default_factory=lambda: {"check_badges": False})

    def put(self, name: str, text: str | bytes, *, age: float = 120) -> Path:
        """Put a file there that was written to so many seconds ago."""
        path = self.path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.set_age(path, age)
        return path

    def set_age(self, path: Path, age: float) -> None:
        written = self.world.time.instant.timestamp() - age
        os.utime(path, (written, written))

    async def work(self, *, refresh_open_days: float = 0, **rule: Any) -> PassResult:
        options = PassOptions(
            issue=IssueOptions(**self.issue),
            rule=Completeness(**rule),
            refresh_open_days=refresh_open_days,
        )
        return await self.world.run(lambda services: work_folder(services, self.path, options))

    async def batches(self) -> list[Batch]:
        return await self.world.run(lambda services: services.ledger.read(list_batches))

    def files(self) -> set[str]:
        """Name all files below the folder, without its marker and the files inside reports."""
        found = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return {str(path) for path in found if not str(path.parent).endswith(".reports")} - {".batch_issuer"}

    def sent(self) -> list[int]:
        """Return every customer of every request that the server has, in order."""
        return sorted(customer for request in self.world.sandbox.requests for customer in request.customers)
