"""Queries on uploads: files that somebody brought, the cells corrected in them, and remembered headers."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert

_known = tables.uploads.c
_corrected = tables.corrections.c
_remembered = tables.remembered_columns.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody brought."""

    upload: str
    user: str
    file_name: str
    """What it was called where it came from: shown, and never used as a path."""
    kind: str
    size: int
    sha256: str
    created_at: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """How it is to be read and issued, as its user chose; empty until then."""
    batch: str = ""
    """The batch that it became."""

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Read a row of the table."""
        facts = row._asdict()
        return cls(**{**facts, "options": json.loads(facts["options"] or "{}")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A cell that somebody corrected: `position` counts the cells of a row from 0."""

    row: int
    position: int
    value: str


_ALL = tuple(column for column in _known if column.name != "checked")


def insert_upload(connection: Connection, upload: Upload) -> None:
    """Record a file that is complete on the disk."""
    facts = {**asdict(upload), "options": json.dumps(dict(upload.options)) if upload.options else ""}
    connection.execute(insert(tables.uploads), [facts])


def find_upload(connection: Connection, upload: str) -> Upload | None:
    """Return one upload."""
    row = connection.execute(select(*_ALL).where(_known.upload == upload)).one_or_none()
    return None if row is None else Upload.from_row(row)


def open_uploads_of(connection: Connection, user: str) -> list[Upload]:
    """Return what a user brought and has not issued yet, the latest first."""
    rows = connection.execute(
        select(*_ALL)
        .where(_known.user == user, _known.batch == "")
        .order_by(_known.created_at.desc(), _known.upload)
    )
    return [Upload.from_row(row) for row in rows]


def uploads_before(connection: Connection, instant: str) -> list[str]:
    """Name the uploads that came before an instant, and that nothing works on."""
    rows = connection.execute(select(_known.upload).where(_known.created_at < instant, ~_is_worked_on()))
    return list(rows.scalars())


def is_worked_on(connection: Connection, upload: str) -> bool:
    """Tell whether a run of an upload is still open."""
    found = connection.execute(select(_known.upload).where(_known.upload == upload, _is_worked_on()))
    return found.first() is not None


def known_uploads(connection: Connection) -> set[str]:
    """Name all uploads."""
    return set(connection.execute(select(_known.upload)).scalars())


def update_options(connection: Connection, upload: str, options: Mapping[str, Any]) -> None:
    """Remember how an upload is to be read and issued."""
    _update(connection, upload, options=json.dumps(dict(options)))


def store_checked(connection: Connection, upload: str, checked: Mapping[str, Any]) -> None:
    """Keep what checking an upload found."""
    _update(connection, upload, checked=json.dumps(dict(checked)))


def find_checked(connection: Connection, upload: str) -> dict[str, Any] | None:
    """Return what checking an upload found the last time."""
    stored = connection.execute(select(_known.checked).where(_known.upload == upload)).scalar_one_or_none()
    found: dict[str, Any] | None = json.loads(stored) if stored else None
    return found


def delete_upload(connection: Connection, upload: str) -> bool:
    """Forget an upload and its corrections, unless a run of it is still open; tell whether that was done."""
    gone = connection.execute(delete(tables.uploads).where(_known.upload == upload, ~_is_worked_on()))
    if gone.rowcount:
        connection.execute(delete(tables.corrections).where(_corrected.upload == upload))
    return bool(gone.rowcount)


def put_correction(connection: Connection, upload: str, correction: Correction, at: str) -> None:
    """Remember a corrected cell; the latest value counts."""
    values = {"value": correction.value, "corrected_at": at}
    key = {"upload": upload, "row": correction.row, "position": correction.position}
    statement = upsert(connection, tables.corrections).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def delete_correction(connection: Connection, upload: str, *, row: int, position: int) -> None:
    """Let a cell be as it was read."""
    connection.execute(
        delete(tables.corrections).where(
            _corrected.upload == upload, _corrected.row == row, _corrected.position == position
        )
    )


def corrections_of(connection: Connection, upload: str, rows: Collection[int] = ()) -> list[Correction]:
    """Return the corrected cells of an upload, or of some of its rows, in the order of the file."""
    wanted = select(_corrected.row, _corrected.position, _corrected.value).where(_corrected.upload == upload)
    if rows:
        wanted = wanted.where(_corrected.row.in_(list(rows)))
    found = connection.execute(wanted.order_by(_corrected.row, _corrected.position))
    return [Correction(**row._asdict()) for row in found]


def count_corrections(connection: Connection, upload: str) -> int:
    """Count the corrected cells of an upload."""
    counted = select(func.count()).select_from(tables.corrections).where(_corrected.upload == upload)
    return int(connection.execute(counted).scalar_one())


def remember_columns(connection: Connection, meant: Mapping[str, str], *, user: str, at: str) -> None:
    """Remember which columns headers mean; one that means none is forgotten."""
    for title, column in meant.items():
        if not column:
            connection.execute(delete(tables.remembered_columns).where(_remembered.title == title))
            continue
        values = {"column": column, "user": user, "at": at}
        statement = upsert(connection, tables.remembered_columns).values(title=title, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["title"], set_=values))


def recall_columns(connection: Connection, titles: Collection[str]) -> dict[str, str]:
    """Return which columns some headers meant the last time that somebody chose them."""
    found = connection.execute(
        select(_remembered.title, _remembered.column).where(_remembered.title.in_(list(titles)))
    )
    return {row.title: row.column for row in found}


def _update(connection: Connection, upload: str, **values: str) -> None:
    connection.execute(update(tables.uploads).where(_known.upload == upload).values(**values))


def _is_worked_on() -> Any:  # noqa: ANN401 - a condition on the table of uploads
    runs = tables.runs.c
    return exists().where(runs.upload == _known.upload, runs.ended_at == "")
