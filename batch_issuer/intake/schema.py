"""The rules for input cells: a pandera schema finds what breaks them, the tables of shapes say why."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from batch_issuer.batch.badges import BadgeBook, BadgeUse
from batch_issuer.batch.problem_columns import ProblemColumns, ProblemKind
from batch_issuer.batch.problems import Rule
from batch_issuer.intake.columns import GROUP_COLUMNS
from batch_issuer.intake.shapes import MISLED, WRONG_CUSTOMER_IDS, Finding, Shape, first_fitting, shapes_of
from batch_issuer.intake.sheets import CellKind

MAX_CUSTOMER_ID: Final = "9223372036854775807"
_PLAIN_ID: Final = r"[1-9][0-9]{0,18}"
_BADGE: Final = "the badge can be issued"
BADGE_COLUMNS: Final = ("badge_meta_id", "owner_type", "issue_event_date")
"""What decides whether a row may use its badge."""
OF_ROWS: Final = frozenset({Rule.OWNER_WITHOUT_REFERENCE, Rule.REFERENCE_WITHOUT_OWNER, Rule.BADGE})
"""The rules that cells break together; all others are broken by the text of one cell alone."""
_PAIR: Final = "owner_type and reference_id go together"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRules:
    """The schema and its explanations, for one pattern of badge ids."""

    badge_pattern: str = "[0-9a-f]{24}"
    badges: BadgeBook | None = None
    """What was found out of the badges themselves, where they were looked up."""

    def find_in_ids(self, ids: pa.Array) -> ProblemColumns:
        """Return the problems of repaired customer ids; their rows count from 0."""
        schema = pandera.DataFrameSchema({"customer_id": _column("customer_id", _is_customer_id)})
        frame = pd.DataFrame({"customer_id": ids.to_pandas()})
        broken = [np.flatnonzero(is_broken) for _, is_broken in _broken(schema, frame)]
        parts = [_explained("customer_id", ids.take(pa.array(at)), at, WRONG_CUSTOMER_IDS) for at in broken]
        return ProblemColumns.joined(parts)

    def find_in_groups(self, cells: Mapping[str, pa.Array]) -> ProblemColumns:
        """Return the problems of the repaired cells besides the customer's id; their rows count from 0.

        Of one row they come in the order of the columns.
        """
        frame = pd.DataFrame({name: column.to_pandas() for name, column in cells.items()})
        parts: list[ProblemColumns] = []
        for check, is_broken in _broken(self._schema(), frame):
            at = np.flatnonzero(is_broken)
            if check == _PAIR:
                parts.extend(_explain_pair(frame, at))
            elif check == _BADGE:
                parts.append(self._explain_badge(frame, at))
            else:
                wrong = cells[check].take(pa.array(at))
                parts.append(_explained(check, wrong, at, shapes_of(check, self.badge_pattern)))
        return in_order(ProblemColumns.joined(parts))

    def explain(self, column: str, cell: str) -> Finding | None:
        """Say why one repaired cell besides the customer's id is refused, or None where it is fine."""
        shapes = shapes_of(column, self.badge_pattern)
        shape = shapes[int(first_fitting(pa.array([cell]), shapes)[0])]
        return _finding(shape, cell)

    def explain_kind(self, column: str, kind: CellKind) -> Finding | None:
        """Say why a cell is refused whatever its text, or None where the text decides."""
        return MISLED.get((column, kind))

    def _schema(self) -> pandera.DataFrameSchema:
        return pandera.DataFrameSchema(
            {name: _column(name, self._fits(name)) for name in GROUP_COLUMNS},
            checks=[_check(_go_together, _PAIR), _check(self._can_be_issued, _BADGE)],
        )

    def _fits(self, column: str) -> Callable[["pd.Series[str]"], "pd.Series[bool]"]:
        def fits(cells: "pd.Series[str]") -> "pd.Series[bool]":
            shapes = shapes_of(column, self.badge_pattern)
            is_right = np.array([shape.finding is None for shape in shapes])
            return pd.Series(is_right[first_fitting(_text(cells), shapes)], index=cells.index)

        return fits

    def _can_be_issued(self, frame: pd.DataFrame) -> "pd.Series[bool]":
        """Look at each distinct use of a badge once."""
        can = pd.Series(data=True, index=frame.index)
        if self.badges is not None:
            uses = frame[list(BADGE_COLUMNS)]
            bad = [use for use in _distinct_uses(frame) if self.badges.fault(use)]
            can &= ~pd.MultiIndex.from_frame(uses).isin(bad)
        return can

    def _explain_badge(self, frame: pd.DataFrame, at: npt.NDArray[np.intp]) -> ProblemColumns:
        bad = frame.iloc[at]
        hints = {use: self.badges.fault(use) if self.badges else "" for use in _distinct_uses(bad)}
        kinds = [ProblemKind("badge_meta_id", Rule.BADGE, hint) for hint in hints.values()]
        code_of = {use: code for code, use in enumerate(hints)}
        uses = bad[list(BADGE_COLUMNS)].itertuples(index=False, name=None)
        codes = np.fromiter((code_of[use] for use in uses), np.int32, count=len(at))
        return _problems(at, codes, kinds, _text(bad["badge_meta_id"]))


def in_order(problems: ProblemColumns) -> ProblemColumns:
    """Order problems by row, and those of one row by column."""
    places = np.array([_PLACES.get(kind.column, 0) for kind in problems.kinds], dtype=np.int64)
    keys = problems.rows.astype(np.int64) * _MOST_PLACES + places[problems.codes]
    if (keys[1:] >= keys[:-1]).all():
        return problems
    return problems.take(np.argsort(keys, kind="stable"))


def _check(decide: Callable[..., "pd.Series[bool]"], name: str) -> pandera.Check:
    # what is wrong is read from the outcome of the check; pandera need not list each case once more
    return pandera.Check(decide, name=name, n_failure_cases=1)


def _column(name: str, decide: Callable[["pd.Series[str]"], "pd.Series[bool]"]) -> pandera.Column:
    return pandera.Column("str", _check(decide, name))


def _broken(schema: pandera.DataFrameSchema, frame: pd.DataFrame) -> Iterator[tuple[str, Mask]]:
    """Yield each check that some rows break, by its name, and which rows those are."""
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as exc:
        for error in exc.schema_errors:
            outcome = error.check_output
            if outcome is None:
                raise AssertionError("the schema refuses a frame for its form") from exc
            yield error.check.name, ~np.asarray(outcome, dtype=np.bool_)


def _explained(
    column: str, cells: pa.Array, at: npt.NDArray[np.intp], shapes: tuple[Shape, ...]
) -> ProblemColumns:
    """Say why cells are refused, of which every one is."""
    which = first_fitting(cells, shapes)
    hinted = np.flatnonzero(np.array([shape.hint is not None for shape in shapes])[which])
    if not len(hinted):
        kinds = [ProblemKind(column, *shape.finding) for shape in shapes if shape.finding]
        code_of = np.cumsum([shape.finding is not None for shape in shapes]) - 1
        return _problems(at, code_of[which], kinds, cells)
    texts = cells.dictionary_encode()
    pairs = which * len(texts.dictionary) + np.asarray(texts.indices)
    distinct, codes = np.unique(pairs, return_inverse=True)
    shown = texts.dictionary.to_pylist()
    findings = (
        _finding(shapes[number // len(shown)], shown[number % len(shown)]) for number in distinct.tolist()
    )
    return _problems(at, codes, [ProblemKind(column, *finding) for finding in findings if finding], cells)


def _finding(shape: Shape, cell: str) -> Finding | None:
    if shape.finding is None or shape.hint is None:
        return shape.finding
    return Finding(shape.finding.rule, shape.hint(cell))


def _problems(
    at: npt.NDArray[np.intp], codes: npt.NDArray[np.integer], kinds: list[ProblemKind], cells: pa.Array
) -> ProblemColumns:
    return ProblemColumns(
        rows=at.astype(np.uint32), codes=codes.astype(np.int32), kinds=kinds, values=cells.cast(pa.string())
    )


def _explain_pair(frame: pd.DataFrame, at: npt.NDArray[np.intp]) -> Iterator[ProblemColumns]:
    for column, rule in (
        ("owner_type", Rule.OWNER_WITHOUT_REFERENCE),
        ("reference_id", Rule.REFERENCE_WITHOUT_OWNER),
    ):
        lonely = at[(frame[column].iloc[at] != "").to_numpy()]
        codes = np.zeros(len(lonely), dtype=np.int32)
        yield _problems(lonely, codes, [ProblemKind(column, rule)], _text(frame[column].iloc[lonely]))


def _distinct_uses(frame: pd.DataFrame) -> list[BadgeUse]:
    """Return each use of a badge in a repaired frame once, in order of appearance."""
    distinct = frame[list(BADGE_COLUMNS)].drop_duplicates()
    return [(badge, owner, date) for badge, owner, date in distinct.itertuples(index=False)]


def _text(cells: "pd.Series[str]") -> pa.Array:
    return pa.array(cells, pa.string())


def _is_customer_id(cells: "pd.Series[str]") -> "pd.Series[bool]":
    in_range = (cells.str.len() < len(MAX_CUSTOMER_ID)) | (cells <= MAX_CUSTOMER_ID)
    return cells.str.fullmatch(_PLAIN_ID) & in_range


def _go_together(frame: pd.DataFrame) -> "pd.Series[bool]":
    return (frame["owner_type"] == "") == (frame["reference_id"] == "")


_PLACES: Final = {name: place for place, name in enumerate(("", "customer_id", *GROUP_COLUMNS))}
_MOST_PLACES: Final = len(_PLACES)
