"""Writes lines of the reconciliation for many rows at once: those that differ in ids and numbers alone."""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.outcomes import Outcome, RowOutcome, ServerError, row_outcome
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import RequestRows
from batch_issuer.reports.files import csv_line, protect
from batch_issuer.reports.request_cells import request_cells_before, request_cells_behind

_NO_ROWS = np.empty(0, dtype=np.uint32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainLines:
    """Lines of one block of the input, in its order."""

    rows: RowNumbers
    customers: CustomerIds
    lines: pa.Array
    requests: Sequence["PlainRequest"]
    which: npt.NDArray[np.intp]
    """Row `rows[i]` belongs to `requests[which[i]]`."""

    def outcomes(self) -> Counter[Outcome]:
        """Count the lines by outcome."""
        counted = Counter[Outcome]()
        counts = np.bincount(self.which, minlength=len(self.requests)).tolist()
        for request, count in zip(self.requests, counts, strict=True):
            counted[request.outcome] += count
        return +counted

    def first(self, most: int, *, besides: Container[Outcome]) -> Iterator[tuple[int, int, "PlainRequest"]]:
        """Yield the first rows with other outcomes than some: row, customer and request."""
        is_wanted = np.array([request.outcome not in besides for request in self.requests])
        for at in np.flatnonzero(is_wanted[self.which])[:most].tolist():
            yield int(self.rows[at]), int(self.customers[at]), self.requests[self.which[at]]

    def joined_with(self, others: Sequence[tuple[int, str]]) -> str:
        """Return these lines and others, each under its row number, in order of the rows."""
        lines = self.lines
        if others:
            numbers = np.array([row for row, _ in others], dtype=np.uint32)
            order = np.argsort(np.concatenate([self.rows, numbers]), kind="stable")
            lines = pa.concat_arrays([lines, pa.array([line for _, line in others], pa.string())]).take(order)
        return _text_of(lines)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainRequest:
    """What the lines of a request's rows have in common, and which of its rows have lines like that."""

    outcome: Outcome
    before: str
    """The cells between the customer and the issued id."""
    behind: str
    """Those behind the issued id, and the end of the line."""
    error: ServerError
    others: RowNumbers = field(default_factory=lambda: _NO_ROWS)
    """Its rows that became something else."""
    issued_rows: RowNumbers = field(default_factory=lambda: _NO_ROWS)
    issued_ids: npt.NDArray[np.object_] | None = None
    """The issued ids of `issued_rows`, as CSV; None where nothing is issued."""

    @classmethod
    def of(cls, request: RequestRows) -> "PlainRequest":
        """Look at what became of a request's rows: of an executed one, plain are those that were issued."""
        stage, settlement = request.record.stage, request.settlement
        customers = request.customers.tolist()
        if stage is not Stage.SUBMITTED or settlement.outcome is not None:  # the same for all of them
            return cls._like(request, row_outcome(stage, settlement, customers[0]))
        became = [row_outcome(stage, settlement, customer) for customer in customers]
        issued = [one for one in became if one.outcome is Outcome.ISSUED]
        is_issued = np.array([one.outcome is Outcome.ISSUED for one in became])
        return replace(
            cls._like(request, issued[0] if issued else became[0]),
            others=request.rows[~is_issued],
            issued_rows=request.rows[is_issued],
            issued_ids=np.array([_cell(one.issued_id) for one in issued], dtype=np.object_),
        )

    @classmethod
    def _like(cls, request: RequestRows, outcome: RowOutcome) -> "PlainRequest":
        return cls(
            outcome=outcome.outcome,
            before=csv_line(request_cells_before(request.record, outcome))[:-2],
            behind=csv_line(request_cells_behind(request.record, outcome)),
            error=outcome.error,
        )


def _cell(text: str) -> str:
    """Write a text as a cell of CSV; the ids of most servers are letters and digits."""
    return text if text.isalnum() else csv_line([protect(text)])[:-2]


def plain_lines(
    rows: RowNumbers, customers: CustomerIds, requests: Sequence[PlainRequest], which: npt.NDArray[np.intp]
) -> PlainLines:
    """Write the lines of some rows; row `rows[i]` belongs to `requests[which[i]]`."""
    before = pa.array([request.before for request in requests], pa.string()).take(which)
    behind = pa.array([request.behind for request in requests], pa.string()).take(which)
    lines = pc.binary_join_element_wise(
        pc.cast(pa.array(rows), pa.string()),
        pc.cast(pa.array(customers), pa.string()),
        before,
        _issued_ids(rows, requests),
        behind,
        ",",
    )
    return PlainLines(rows=rows, customers=customers, lines=lines, requests=requests, which=which)


def _issued_ids(rows: RowNumbers, requests: Sequence[PlainRequest]) -> pa.Array | pa.Scalar:
    if all(request.issued_ids is None for request in requests):
        return pa.scalar("")
    issued = np.full(len(rows), "", dtype=np.object_)
    for request in requests:
        if request.issued_ids is not None:
            places = np.searchsorted(rows, request.issued_rows)
            is_here = np.flatnonzero(rows[np.minimum(places, len(rows) - 1)] == request.issued_rows)
            issued[places[is_here]] = request.issued_ids[is_here]
    return pa.array(issued, pa.string())


def _text_of(lines: pa.Array) -> str:
    """Return lines that each have their end, one behind the other: as they lie in memory."""
    if not len(lines):
        return ""
    ends = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    content: bytes = lines.buffers()[2].slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes()
    return content.decode()
