"""Finds rows of a batch in the ledger, as the reconciliation would tell them at this moment."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake import Source
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.request_columns import iterate_request_columns
from batch_issuer.reports.accounts import AccountedRows, Accounts
from batch_issuer.reports.cells import protected_cells
from batch_issuer.reports.invalid_rows import InvalidRows
from batch_issuer.reports.lines import NumberedLines, RowLines, in_order
from batch_issuer.reports.originals import Originals
from batch_issuer.reports.row_files import RECONCILIATION_COLUMNS, invalid_lines
from batch_issuer.reports.row_map import FIRST_ROW, RowMap
from batch_issuer.reports.row_writing import rejected_rows

_ROWS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Which rows are looked for."""

    outcomes: frozenset[Outcome] = frozenset()
    """With none of them each outcome will do."""
    text: str = ""
    """It stands anywhere in the line, whatever its case."""
    after: int = 0
    """The number of the last row that was seen."""
    limit: int = 50

    def allows(self, outcome: Outcome) -> bool:
        """Tell whether rows with some outcome may be found."""
        return not self.outcomes or outcome in self.outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRows:
    """A page of rows, in input order."""

    rows: tuple[Mapping[str, str], ...] = ()
    """Each as its line of the reconciliation, by the names of its columns."""
    next_after: int | None = None
    """The number of the last row, where there are more behind it."""


def find_rows(connection: Connection, batch: Batch, source: Source | None, wanted: RowFilter) -> FoundRows:
    """Return the first rows that are looked for; it ends when the page is full.

    The input is read only for invalid rows, which are shown as they were read; without it they lack ids.
    """
    limit = wanted.limit
    if batch.stage is BatchStage.RECORDING or batch.pruned_at:
        return FoundRows()
    carried = RowMap(connection, rows=batch.rows)
    for requests, rows in iterate_request_columns(connection, batch.batch):
        carried.add(requests, rows)
    search = _Search(wanted, source)
    found: list[str] = []
    accounts = Accounts(connection, batch.batch, carried, rows_at_once=_ROWS_AT_ONCE)
    for block in accounts.rows_from(max(wanted.after + 1, FIRST_ROW)):
        found += search.lines_in(block, limit + 1 - len(found))
        if len(found) > limit:
            break
    told = tuple(_records(found[:limit]))
    return FoundRows(rows=told, next_after=int(told[-1]["row"]) if len(found) > limit else None)


class _Search:
    """Looks through the rows of a batch, some at a time."""

    def __init__(self, wanted: RowFilter, source: Source | None) -> None:
        self._wanted = wanted
        self._most = wanted.limit + 1
        self._source = source
        self._originals = None if source is None else Originals(source)
        self._needle = wanted.text.strip().replace('"', '""')  # as a line has it

    def lines_in(self, block: AccountedRows, most: int) -> list[str]:
        """Return the first lines of a block that are looked for."""
        parts = [self._valid(some) for some in block.valid if len(some)]
        if len(block.invalid) and self._wanted.allows(Outcome.INVALID):
            parts.extend(self._invalid(block.invalid))
        found: list[str] = in_order(parts)[:most].to_pylist()
        return found

    def _valid(self, some: RowLines) -> NumberedLines:
        places = some.of(self._wanted.outcomes) if self._wanted.outcomes else np.arange(len(some))
        if not self._needle:
            places = places[: self._most]
        chosen = some.take(places)
        lines = chosen.lines() if len(chosen) else pa.array([], pa.string())
        return self._matching(chosen.rows, lines)

    def _invalid(self, invalid: InvalidRows) -> Iterator[NumberedLines]:
        asked = invalid if self._needle else invalid.first(self._most)
        if self._originals is None or self._source is None:
            problems, unknown = protected_cells(asked.texts()), pa.array([""] * len(asked), pa.string())
            lines = invalid_lines(asked.rows, (unknown, unknown), rules=asked.rules(), problems=problems)
            yield self._matching(asked.rows, lines)
            return
        for some in rejected_rows(asked, self._originals):
            yield self._matching(some.read.rows, some.lines(self._source.columns))

    def _matching(self, rows: RowNumbers, lines: pa.Array) -> NumberedLines:
        if not self._needle:
            return rows, lines
        is_found = pc.match_substring(lines, self._needle, ignore_case=True)
        return rows[is_found.to_numpy(zero_copy_only=False)], lines.filter(is_found)


def _records(lines: Iterable[str]) -> Iterator[Mapping[str, str]]:
    for cells in csv.reader(lines, strict=True):
        yield dict(zip(RECONCILIATION_COLUMNS, cells, strict=True))
