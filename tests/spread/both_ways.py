"""Accepts a file in one piece and in parts, and reads all that the ledger and the files say of it then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select

from batch_issuer.acceptance import Accepted, IssueOptions, accept
from batch_issuer.assembly import Services, open_services
from batch_issuer.engine import Engine, Sizes
from batch_issuer.errors import BatchIssuerError
from batch_issuer.gateway import sending_access
from batch_issuer.ledger import Batch, tables
from batch_issuer.ledger.batches import find_batch, iterate_duplicates, iterate_problems, list_batches
from batch_issuer.ledger.held_rows import load_held_rows
from batch_issuer.ledger.request_rows import iterate_request_rows
from batch_issuer.planning import MaxInvalid
from batch_issuer.reporting import report
from batch_issuer.settings import Settings
from tests.pipeline.world import MovedTime

TINY: Final = Sizes(part_bytes=60, unit_rows=2, slice_bytes=100, left_rows=2)
"""Many parts, units and slices of the smallest file."""
FILES: Final = ("reconciliation.csv", "requests.csv", "rejects.csv")
ALL: Final = MaxInvalid.parse("100%")


@asynccontextmanager
async def open_place(
    folder: Path, ledger: str, *, engine: Engine | None = None, sizes: Sizes = TINY, **facts: Any
) -> AsyncIterator[Services]:
    """Open services whose ledger and output are nobody else's, at the same moment each time."""
    given = dict.fromkeys(("till_id", "store_id", "zone_id", "concept_id", "org_id"), "1")
    settings = Settings.model_validate(
        {
            **given,
            "base_url": "http://127.0.0.1:9",
            "username": "u",
            "password": "p",
            "output": folder / "output",
            "ledger": ledger,
            "chunk_size": 3,
            **facts,
        }
    )
    async with open_services(
        settings, clock=MovedTime().clock(), stopping=asyncio.Event(), engine=engine
    ) as services:
        yield replace(services, sizes=sizes)


async def accept_file(services: Services, file: Path, **options: Any) -> Accepted:
    access, _ = sending_access(services.settings)
    return await accept(services, file, IssueOptions(**{"check_badges": False, **options}), access)


async def all_of(services: Services, accepted: Accepted) -> dict[str, Any]:
    """Return all that the ledger and the files say of a batch, whatever the blocks it was recorded in."""
    found = await services.ledger.read(recorded, accepted.batch.batch)
    summary = await report(services, accepted)
    files = {name: (summary.folder / name) for name in FILES}
    return {**found, **{name: path.read_bytes() for name, path in files.items() if path.exists()}}


def recorded(connection: Connection, batch: str) -> dict[str, Any]:
    known = find_batch(connection, batch)
    assert known is not None
    held = load_held_rows(connection, known.batch)
    ids = [held.request_ids[at] for at in held.holders.tolist()]
    requests = list(iterate_request_rows(connection, known.batch))
    duplicates = list(iterate_duplicates(connection, known.batch))
    return {
        "batch": without_place(known),
        "problems": list(iterate_problems(connection, known.batch)),
        "duplicates": [n for rows, _ in duplicates for n in rows.tolist()],
        "repeated": [n for _, repeated in duplicates for n in repeated.tolist()],
        "held": list(zip(held.rows.tolist(), held.customers.tolist(), ids, strict=True)),
        "requests": [(some.record, some.customers.tolist(), some.rows.tolist()) for some in requests],
        "staged": staged(connection),
    }


def without_place(batch: Batch) -> Batch:
    settings = {name: fact for name, fact in batch.settings.items() if name not in {"output", "ledger"}}
    return replace(batch, settings=settings, timeline=0)


def staged(connection: Connection) -> list[int]:
    """Count what is staged, and rounds that have not ended."""
    counts = [select(func.count()).select_from(table) for table in (tables.staged_parts, tables.staged_units)]
    rounds = select(func.count()).where(tables.leases.c.name.like("draft %"))
    return [connection.execute(count).scalar_one() for count in (*counts, rounds)]


async def outcome_of(services: Services, file: Path, **options: Any) -> tuple[Any, ...]:
    """Accept a file; return all that is known of it then, or the line that refuses it."""
    try:
        accepted = await accept_file(services, file, **options)
    except BatchIssuerError as exc:
        left = await services.ledger.read(list_batches)
        folders = sorted(path.name for path in services.settings.output.iterdir() if path.is_dir())
        return type(exc), str(exc), [known.batch for known in left], folders
    return accepted.refusal, await all_of(services, accepted)
