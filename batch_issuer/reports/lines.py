"""What became of each input row: the ledger's record joined, block by block, to the rows as read."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import Outcome, RowOutcome, ServerError, row_outcome
from batch_issuer.batch.problems import InputProblem
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.intake import Block, RawBlock
from batch_issuer.ledger import RequestRecord, RequestRows
from batch_issuer.ledger.batches import iterate_duplicates, iterate_problems
from batch_issuer.ledger.request_rows import iterate_request_rows, iterate_rows
from batch_issuer.reports.held import HeldAccounts, HeldRow
from batch_issuer.reports.plain_lines import PlainLines, PlainRequest, plain_lines

_IDS_IN_QUERY: Final = 500
_NEVER_ISSUED: Final = frozenset(
    {Outcome.REJECTED, Outcome.FAILED, Outcome.ISSUE_FAILED, Outcome.UNACCOUNTED, Outcome.NOT_SENT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountedRow:
    """One input row, and what became of it."""

    row: int
    cells: list[str]
    outcome: RowOutcome
    customer_id: int | None = None
    """The id that is sent; None for an invalid row."""
    record: RequestRecord | None = None
    problems: tuple[InputProblem, ...] = ()
    is_in_vain: bool = False
    """Left to another batch, which has not issued it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountedBlock:
    """The rows of one block of the input."""

    plain: PlainLines | None
    """The lines of those that need nothing else."""
    others: tuple[AccountedRow, ...]


class Accounts:
    """The ledger's record of one batch, looked up by input row.

    Keeps 12 bytes a row and the requests that the present block of rows needs.
    """

    def __init__(self, connection: Connection, batch: BatchId) -> None:
        """Read which request carries which row."""
        self._connection = connection
        self._batch = batch
        self._request_ids: list[RequestId] = []
        self._request_of_row, self._customer_of_row = self._map_rows()
        self._duplicates, self._repeated = self._read_duplicates()
        self._held = HeldAccounts(connection, batch)
        self._problems = _ByRow(iterate_problems(connection, batch))
        self._loaded: dict[int, _LoadedRequest] = {}

    def account(self, block: Block, plain: Container[Outcome]) -> "AccountedBlock":
        """Say what became of the rows of a block. Blocks must come in input order.

        Rows whose outcome is one of `plain`, and which nothing else is to be said of, come as lines. Raises
        AssertionError for a row of the input that the ledger does not know.
        """
        rows = block.rows
        carried = self._carriers(rows)
        repeats = self._repeated_rows(rows)
        repeated = np.fromiter(repeats.values(), dtype=np.uint32, count=len(repeats))
        held = self._held.account(np.concatenate([rows, repeated]))
        needed = np.unique(np.concatenate([carried, self._carriers(repeated)]))
        needed = needed[needed >= 0]
        self._load(set(needed.tolist()))
        requests = [self._loaded[n].plain for n in needed.tolist()]
        which = np.searchsorted(needed, carried)
        is_plain = (carried >= 0) & _can_be_plain(rows, requests, which, plain)
        raw = block.raw(np.flatnonzero(~is_plain))
        others = tuple(self._others(raw, repeats, held))
        if not is_plain.any():
            return AccountedBlock(plain=None, others=others)
        rows = rows[is_plain]
        lines = plain_lines(rows, self._customer_of_row[rows], requests, which[is_plain])
        return AccountedBlock(plain=lines, others=others)

    def _others(
        self, raw: RawBlock, repeats: Mapping[int, int], held: Mapping[int, HeldRow]
    ) -> Iterator["AccountedRow"]:
        carried = self._carriers(raw.rows)
        for row, cells, carrier in zip(raw.numbers, raw.cells, carried.tolist(), strict=True):
            problems = self._problems.take(row)
            if problems:
                yield _invalid(row, cells, problems)
            elif row in repeats:
                yield _duplicate(row, cells, repeats[row], self._original(repeats[row], cells, held))
            elif row in held:
                yield _held(row, cells, held[row])
            elif carrier >= 0:
                yield self._loaded[carrier].account(row, cells)
            else:
                raise AssertionError(f"row {row} is in the input, but not in the ledger")

    def _map_rows(self) -> tuple[npt.NDArray[np.int32], CustomerIds]:
        request_of_row = np.full(1, -1, dtype=np.int32)
        customer_of_row = np.zeros(1, dtype=np.int64)
        for request_id, rows, customers in iterate_rows(self._connection, self._batch):
            missing = int(rows[-1]) + 1 - len(request_of_row)
            if missing > 0:
                more = max(missing, len(request_of_row))
                request_of_row = np.concatenate([request_of_row, np.full(more, -1, dtype=np.int32)])
                customer_of_row = np.concatenate([customer_of_row, np.zeros(more, dtype=np.int64)])
            request_of_row[rows] = len(self._request_ids)
            customer_of_row[rows] = customers
            self._request_ids.append(request_id)
        return request_of_row, customer_of_row

    def _read_duplicates(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        blocks = list(iterate_duplicates(self._connection, self._batch))
        empty = np.empty(0, dtype=np.uint32)
        rows = np.concatenate([rows for rows, _ in blocks] or [empty])
        return rows, np.concatenate([repeated for _, repeated in blocks] or [empty])

    def _carriers(self, rows: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
        known = rows < len(self._request_of_row)
        return np.where(known, self._request_of_row[np.where(known, rows, 0)], -1)

    def _repeated_rows(self, rows: npt.NDArray[np.uint32]) -> Mapping[int, int]:
        """Say which rows of a block repeat which other rows."""
        if not len(self._duplicates) or not len(rows):
            return {}
        start, end = np.searchsorted(self._duplicates, [rows[0], rows[-1] + 1])
        return dict(
            zip(self._duplicates[start:end].tolist(), self._repeated[start:end].tolist(), strict=True)
        )

    def _load(self, needed: set[int]) -> None:
        """Hold the requests that are needed now, and no others."""
        self._loaded = {n: loaded for n, loaded in self._loaded.items() if n in needed}
        missing = sorted(needed - self._loaded.keys())
        for start in range(0, len(missing), _IDS_IN_QUERY):
            wanted = {self._request_ids[n]: n for n in missing[start : start + _IDS_IN_QUERY]}
            for found in iterate_request_rows(self._connection, self._batch, list(wanted)):
                self._loaded[wanted[found.record.request_id]] = _LoadedRequest(found)

    def _original(self, row: int, cells: list[str], held: Mapping[int, HeldRow]) -> AccountedRow:
        if row in held:
            return _held(row, cells, held[row])
        return self._loaded[int(self._request_of_row[row])].account(row, cells)


def _can_be_plain(
    rows: RowNumbers,
    requests: Sequence[PlainRequest],
    which: npt.NDArray[np.intp],
    plain: Container[Outcome],
) -> npt.NDArray[np.bool_]:
    """Tell the rows whose request, if they have one, gives them a line that nothing else is said of."""
    can = np.array([*(request.outcome in plain for request in requests), False])
    others = np.concatenate([request.others for request in requests] or [np.empty(0, np.uint32)])
    return can[which] & ~np.isin(rows, others)


class _LoadedRequest:
    """A request with its rows at hand."""

    def __init__(self, request: RequestRows) -> None:
        self._request = request

    @cached_property
    def plain(self) -> PlainRequest:
        return PlainRequest.of(self._request)

    @cached_property
    def _customer_of(self) -> Mapping[int, int]:
        request = self._request
        return dict(zip(request.rows.tolist(), request.customers.tolist(), strict=True))

    def account(self, row: int, cells: list[str]) -> AccountedRow:
        customer_id, record = self._customer_of[row], self._request.record
        outcome = row_outcome(record.stage, self._request.settlement, customer_id)
        return AccountedRow(row=row, cells=cells, outcome=outcome, customer_id=customer_id, record=record)


class _ByRow:
    """Hands out problems row by row, from one pass over them in input order."""

    def __init__(self, problems: Iterator[InputProblem]) -> None:
        self._problems = problems
        self._next = next(problems, None)

    def take(self, row: int) -> tuple[InputProblem, ...]:
        taken = []
        while self._next is not None and self._next.row == row:
            taken.append(self._next)
            self._next = next(self._problems, None)
        return tuple(taken)


def _invalid(row: int, cells: list[str], problems: tuple[InputProblem, ...]) -> AccountedRow:
    message = " | ".join(problem.message for problem in problems)
    error = ServerError(code=problems[0].rule, message=message)
    outcome = RowOutcome(outcome=Outcome.INVALID, error=error)
    return AccountedRow(row=row, cells=cells, outcome=outcome, problems=problems)


def _held(row: int, cells: list[str], held: HeldRow) -> AccountedRow:
    outcome = RowOutcome(outcome=Outcome.ALREADY_ISSUED, error=ServerError(message=held.message))
    return AccountedRow(
        row=row,
        cells=cells,
        outcome=outcome,
        customer_id=held.customer_id,
        record=held.record,
        is_in_vain=held.is_in_vain,
    )


def _duplicate(row: int, cells: list[str], repeated: int, original: AccountedRow) -> AccountedRow:
    became = original.outcome.outcome
    message = f"repeats row {repeated}"
    if became in _NEVER_ISSUED:
        message += f", which is {became.replace('_', ' ')}"
    elif became is Outcome.ALREADY_ISSUED:
        message += f", which is {original.outcome.error.message}"
    outcome = RowOutcome(outcome=Outcome.DUPLICATE, error=ServerError(message=message))
    return AccountedRow(
        row=row, cells=cells, outcome=outcome, customer_id=original.customer_id, record=original.record
    )
