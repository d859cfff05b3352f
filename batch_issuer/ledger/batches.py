"""Queries on batches, their input problems and their duplicates."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, Row, delete, insert, select, update

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problems import InputProblem
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.packing import pack_problems, pack_rows, unpack_problems, unpack_rows

_DUPLICATES_IN_BLOCK = 100_000
_FORGOTTEN_AT_ONCE = 5_000


class BatchStage(StrEnum):
    """How far a batch has come on our side."""

    RECORDING = "recording"
    """Its rows and requests are being written: nothing of it is sent."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Its input was refused: nothing of it will ever be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One input file, accepted once, for one server and organisation."""

    batch: BatchId
    name: str
    base_url: str
    org_id: str
    stage: BatchStage
    input_name: str
    input_sha256: str
    rows: int = 0
    invalid: int = 0
    duplicates: int = 0
    already_issued: int = 0
    settings: Mapping[str, Any]
    """The settings it was made with, without secrets."""
    repairs: Mapping[str, int] = field(default_factory=dict)
    created_at: str
    started_at: str = ""
    finished_at: str = ""
    exit_code: ExitCode | None = None
    timeline: int = 0
    """That of the database when the batch was last known to be all there."""
    form: str = ""
    """How its file is written, in words."""
    warnings: Sequence[str] = ()
    """What the user should know of its file, in a sentence each."""
    badges: Mapping[str, str] = field(default_factory=dict)
    """The names of its badges by their ids, as far as the server told them."""
    inbox_file: str = ""
    """The id of the folder and the name of the file, where it came through `inbox`."""
    inbox_place: str = ""
    """Where in that folder the file goes, once that is decided."""
    inbox_moved: bool = False
    """Whether the file and its reports are there, and nothing is left to do."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many rows had which outcome when its files were last written."""
    pruned_at: str = ""
    """Since when only what guards its customers and content is kept."""
    pruning: int = 0
    """1 while something of it is still to be removed from the ledger."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What became of its rows, as it stood when the batch was pruned."""
    issued_by: str = ""
    """The user who issued it: of the console, or of the machine where the command ran."""
    upload: str = ""
    """The upload that it was, where it came through the console."""

    @property
    def profile(self) -> str:
        """The profile of settings that it was issued under, if there was one."""
        return str(self.settings.get("profile") or "")

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Read a row of the table."""
        facts = row._asdict()
        code = facts.pop("exit_code")
        return cls(
            **{
                **facts,
                "stage": BatchStage(facts["stage"]),
                "settings": json.loads(facts["settings"]),
                "repairs": json.loads(facts["repairs"] or "{}"),
                "badges": json.loads(facts["badges"] or "{}"),
                "counts": json.loads(facts["counts"] or "{}"),
                "figures": json.loads(facts["figures"] or "{}"),
                "warnings": tuple(json.loads(facts["warnings"] or "[]")),
                "exit_code": None if code is None else ExitCode(code),
                "inbox_moved": bool(facts["inbox_moved"]),
            }
        )


def insert_batch(connection: Connection, batch: Batch) -> None:
    """Record a batch."""
    connection.execute(insert(tables.batches), [_stored(asdict(batch))])


def update_batch(connection: Connection, batch: BatchId, facts: Mapping[str, object]) -> None:
    """Change some columns of a batch."""
    stored = _stored(facts)
    connection.execute(update(tables.batches).where(tables.batches.c.batch == batch).values(**stored))


def _stored(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: _stored_fact(value) for name, value in facts.items()}


def _stored_fact(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value


def find_batch(connection: Connection, batch: str) -> Batch | None:
    """Return one batch, if the ledger knows it."""
    row = connection.execute(select(tables.batches).where(tables.batches.c.batch == batch)).one_or_none()
    return None if row is None else Batch.from_row(row)


def list_batches(connection: Connection) -> list[Batch]:
    """Return all batches, the latest first."""
    rows = connection.execute(select(tables.batches).order_by(tables.batches.c.batch.desc()))
    return [Batch.from_row(row) for row in rows]


def find_same_content(connection: Connection, batch: Batch) -> BatchId | None:
    """Name the latest accepted batch of the same content for the same server and organisation."""
    return find_content(connection, batch.input_sha256, base_url=batch.base_url, org_id=batch.org_id)


def find_content(connection: Connection, sha256: str, *, base_url: str, org_id: str) -> BatchId | None:
    """Name the latest accepted batch of a content for a server and organisation."""
    known = tables.batches.c
    found = connection.execute(
        select(known.batch)
        .where(known.base_url == base_url, known.org_id == org_id)
        .where(known.input_sha256 == sha256, known.stage == BatchStage.ACCEPTED)
        .order_by(known.batch.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else BatchId(found)


def insert_problems(connection: Connection, batch: BatchId, block: int, problems: ProblemColumns) -> None:
    """Record one block of input problems."""
    connection.execute(insert(tables.problems), [_problems(batch, block, problems)])


def insert_new_problems(connection: Connection, batch: BatchId, block: int, problems: ProblemColumns) -> None:
    """Record one block of input problems, unless it is recorded already."""
    new = upsert(connection, tables.problems).on_conflict_do_nothing()
    connection.execute(new, [_problems(batch, block, problems)])


def _problems(batch: BatchId, block: int, problems: ProblemColumns) -> dict[str, Any]:
    return {"batch": batch, "block": block, "problems": pack_problems(problems)}


def iterate_problems(connection: Connection, batch: BatchId) -> Iterator[InputProblem]:
    """Yield the input problems one by one in input order, few blocks in memory at a time."""
    for problems in iterate_problem_blocks(connection, batch):
        yield from problems


def iterate_problem_blocks(connection: Connection, batch: BatchId) -> Iterator[ProblemColumns]:
    """Yield the input problems in input order, as the blocks that were recorded."""
    query = (
        select(tables.problems.c.problems)
        .where(tables.problems.c.batch == batch)
        .order_by(tables.problems.c.block)
    )
    for packed in connection.execute(query.execution_options(yield_per=4)).scalars():
        yield unpack_problems(packed)


def insert_duplicates(
    connection: Connection, batch: BatchId, duplicates: RowNumbers, repeated: RowNumbers, *, block: int = 0
) -> int:
    """Record which rows repeat which, from a block on; return the number of the next block."""
    blocks = [
        {
            "batch": batch,
            "block": block + at // _DUPLICATES_IN_BLOCK,
            "rows": pack_rows(duplicates[at : at + _DUPLICATES_IN_BLOCK]),
            "repeated": pack_rows(repeated[at : at + _DUPLICATES_IN_BLOCK]),
        }
        for at in range(0, len(duplicates), _DUPLICATES_IN_BLOCK)
    ]
    if blocks:
        connection.execute(insert(tables.duplicates), blocks)
    return block + len(blocks)


def iterate_duplicates(connection: Connection, batch: BatchId) -> Iterator[tuple[RowNumbers, RowNumbers]]:
    """Yield arrays of duplicate rows and of the rows they repeat, in input order."""
    known = tables.duplicates.c
    query = select(known.rows, known.repeated).where(known.batch == batch).order_by(known.block)
    for rows, repeated in connection.execute(query):
        yield unpack_rows(rows), unpack_rows(repeated)


def delete_plan(connection: Connection, batch: BatchId) -> bool:
    """Forget some requests of a batch that was never accepted, and after the last its other planned rows.

    Returns whether there is more to forget: one call stays within a short transaction.
    """
    known, rows = tables.requests.c, tables.request_rows.c
    query = select(known.request_id).where(known.batch == batch).limit(_FORGOTTEN_AT_ONCE)
    some = connection.execute(query).scalars().all()
    if some:
        connection.execute(delete(tables.request_rows).where(rows.request_id.in_(some)))
        connection.execute(delete(tables.requests).where(known.request_id.in_(some)))
        return True
    for table in (tables.duplicates, tables.held_rows):
        connection.execute(delete(table).where(table.c.batch == batch))
    return False


def delete_problems(connection: Connection, batch: BatchId) -> None:
    """Forget the input problems of a batch that was never accepted."""
    connection.execute(delete(tables.problems).where(tables.problems.c.batch == batch))


def delete_recording(connection: Connection, batch: BatchId) -> None:
    """Forget a batch that was never accepted, after its plan and its problems."""
    recording = tables.batches.c.stage == BatchStage.RECORDING
    connection.execute(delete(tables.batches).where(tables.batches.c.batch == batch, recording))
