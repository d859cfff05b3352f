"""Exports everything about one batch as a zip, for whoever helps with it: without secrets."""

import asyncio
import csv
import io
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import orjson
from sqlalchemy import Connection

from batch_issuer import __version__
from batch_issuer.assembly import Services
from batch_issuer.errors import UnknownBatch
from batch_issuer.housekeeping.batch_files import INPUTS
from batch_issuer.housekeeping.places import placed
from batch_issuer.ledger import Batch
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.table_lines import Facts, iterate_attempts, iterate_requests, iterate_said
from batch_issuer.redaction import Redactor
from batch_issuer.reports.files import REPORTS, protect

_PART: Final = 1 << 16
_LIBRARIES: Final = ("SQLAlchemy", "psycopg", "aiohttp", "pandas", "pandera", "pyarrow", "python-calamine")
_TABLES: Final[dict[str, tuple[str, Callable[[Connection, Any], Iterator[Facts]]]]] = {
    "ledger/requests.csv": ("the requests as the ledger holds them", iterate_requests),
    "ledger/attempts.csv": ("each POST: when it was sent, and how it was answered", iterate_attempts),
    "ledger/workflow_requests.jsonl": ("what the server says of each request and customer", iterate_said),
}
_WORDS: Final = {
    "settings.json": "the settings of this command, without secrets and user names",
    "versions.json": "the versions of this program and what it works with",
    "ledger/batch.json": "the batch as the ledger holds it, with the settings it was made with",
    **{name: words for name, (words, _) in _TABLES.items()},
    "reports/summary.json": "the figures",
    "reports/reconciliation.csv": "what became of each row",
    "reports/requests.csv": "the requests",
    "reports/rejects.csv": "the invalid rows, as they were read",
    "reports/failed.csv": "the rows that were not issued, and why",
    "reports/report.html": "the same to look at, in a browser",
    "input/input.csv": "the copy of the input, as it is",
    "input/input.xlsx": "the copy of the input, as it is",
    "input/input.parquet": "the copy of the input, as it is",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A zip that is complete."""

    batch: str
    path: Path
    bytes: int
    files: tuple[str, ...]


async def export(
    services: Services, batch: str, *, to: Path | None, with_input: bool = False, may_replace: bool = False
) -> Export:
    """Write everything about one batch into a zip that only its owner can read, by default BATCH.zip here.

    It holds customer ids, and no secrets: each text goes through the redactor, but for the input, which
    comes as it is and only where it is asked for. Raises UnknownBatch, and UsageError where the zip can't be
    written or is there already.
    """
    path = to or Path(f"{batch}.zip")
    if path.is_dir():
        path /= f"{batch}.zip"

    def write() -> Export:
        with services.ledger.snapshot() as connection:
            known = find_batch(connection, batch)
            if known is None:
                raise UnknownBatch(batch)
            with placed(path, may_replace=may_replace) as beside:
                with ZipFile(beside, "w", ZIP_DEFLATED) as archive:
                    packing = _Packing(archive=archive, redact=services.redact, now=services.clock.now())
                    _pack(packing, services, connection, known, with_input=with_input)
                size = beside.stat().st_size
        return Export(batch=batch, path=path, bytes=size, files=tuple(archive.namelist()))

    return await asyncio.to_thread(write)


def _pack(
    packing: "_Packing", services: Services, connection: Connection, batch: Batch, *, with_input: bool
) -> None:
    folder = services.batch_folder(batch.batch)
    packing.document("settings.json", services.settings.public())
    packing.document("versions.json", _versions(connection))
    packing.document("ledger/batch.json", asdict(batch))
    for name, (_, rows) in _TABLES.items():
        lines = _csv if name.endswith(".csv") else _json_lines
        packing.text(name, lines(rows(connection, batch.batch)))
    for name in REPORTS:
        packing.report(f"reports/{name}", folder / name)
    for name in INPUTS if with_input else ():
        packing.copy(f"input/{name}", folder / name)
    packing.text("README.txt", [_readme(batch, packing.archive.namelist(), with_input=with_input)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packing:
    """Writes files into a zip, a part at a time."""

    archive: ZipFile
    redact: Redactor
    now: datetime

    def document(self, name: str, value: object) -> None:
        """Write one JSON document."""
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
        self.text(name, [text + "\n"])

    def text(self, name: str, lines: Iterable[str]) -> None:
        """Write whole lines, without secrets; a secret holds no end of a line."""
        with self.archive.open(self._entry(name), "w", force_zip64=True) as file:
            for part in _joined(lines):
                file.write(self.redact(part).encode())

    def report(self, name: str, path: Path) -> None:
        """Write a text file, where there is one."""
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace", newline="") as lines:
                self.text(name, lines)

    def copy(self, name: str, path: Path) -> None:
        """Write a file as it is, where there is one."""
        if path.is_file():
            with (
                path.open("rb") as given,
                self.archive.open(self._entry(name), "w", force_zip64=True) as file,
            ):
                while part := given.read(_PART):
                    file.write(part)

    def _entry(self, name: str) -> ZipInfo:
        entry = ZipInfo(name, date_time=self.now.timetuple()[:6])
        entry.compress_type = ZIP_DEFLATED
        entry.external_attr = 0o600 << 16
        return entry


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to parts of some size: one look for secrets costs as much for a line as for many."""
    part: list[str] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= _PART:
            yield "".join(part)
            part, size = [], 0
    if part:
        yield "".join(part)


def _csv(rows: Iterator[Facts]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")
    for at, facts in enumerate(rows):
        if not at:
            writer.writerow(facts.keys())
        writer.writerow([_cell(value) for value in facts.values()])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _cell(value: object) -> object:
    return protect(value) if isinstance(value, str) else value


def _json_lines(rows: Iterator[Facts]) -> Iterator[str]:
    for facts in rows:
        yield orjson.dumps(dict(facts)).decode() + "\n"


def _versions(connection: Connection) -> dict[str, object]:
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    info = connection.dialect.server_version_info or ()
    return {
        "batch_issuer": __version__,
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "database": f"{connection.dialect.name} {'.'.join(map(str, info))}",
        "ledger_revision": revision,
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _readme(batch: Batch, names: Iterable[str], *, with_input: bool) -> str:
    told = "".join(f"{name:<34}{_WORDS[name]}\n" for name in names)
    left_out = "" if with_input else "The input is left out; --with-input adds it.\n"
    pruned = f"The batch was pruned at {batch.pruned_at}: little of it is left.\n" if batch.pruned_at else ""
    return (
        f"Batch {batch.batch} of batch_issuer {__version__}\n\n{told}\n"
        "The files hold customer ids: send them only to whom these may be known.\n"
        f"Secrets are replaced by stars.\n{left_out}{pruned}"
    )
