"""Writes columns of any type as text, and tells which of their cells that text would mislead about."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.intake.parquet.footer import is_text
from batch_issuer.intake.sheets import CellKind, Marked

_EXACT: Final = {16: 2**11, 32: 2**24, 64: 2**53}
"""The largest whole number up to which a float of so many bits keeps each."""
_SIGNIFICANT: Final = {16: 3, 32: 6, 64: 15}
"""Digits that a float of so many bits keeps for sure."""
_MOMENT: Final = r"^(\S+) ([0-9:]+)(?:\.0*|(\.[0-9]*[1-9])0*)?$"
_CLOCK: Final = r"^([0-9:]+)(?:\.0*|(\.[0-9]*[1-9])0*)?$"
_PLACES: Final = r"(?:\.0*|(\.[0-9]*[1-9])0*)$"


class Texts(NamedTuple):
    """A column as text; what is missing in it is empty."""

    cells: pa.StringArray
    marked: Marked | None = None


def as_text(column: pa.Array, *, longest: int) -> Texts:
    """Write a column as text; what is no cell of a spreadsheet is cut where it is too long.

    Raises ArrowException for text that is no UTF-8.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    kind = column.type
    if is_text(kind):
        column.validate(full=True)
        return Texts(_filled(column))
    if pa.types.is_null(kind):
        return Texts(pa.repeat(pa.scalar(""), len(column)))
    write = next((write for fits, write in _WAYS if fits(kind)), None)
    if write is not None:
        return write(column)
    cells = [_written(cell.as_py, longest) if cell.is_valid else "" for cell in column]
    return Texts(pa.array(cells, pa.string()), _marked(CellKind.OPAQUE, column))


def _filled(cells: pa.Array) -> pa.StringArray:
    return cells.cast(pa.string()).fill_null("")


def _marked(kind: CellKind, column: pa.Array) -> Marked | None:
    """Mark all cells that are there."""
    rows = np.asarray(column.is_valid())
    return Marked(kind, rows) if rows.any() else None


def _numbers(column: pa.Array) -> Texts:
    return Texts(_filled(column))


def _truths(column: pa.Array) -> Texts:
    return Texts(pc.utf8_upper(_filled(column)))


def _decimals(column: pa.Array) -> Texts:
    """Write decimals without zeros behind the point, which only tell how they are kept."""
    texts = _filled(column)
    return Texts(pc.replace_substring_regex(texts, _PLACES, r"\1") if column.type.scale > 0 else texts)


def _floats(column: pa.Array) -> Texts:
    """Write whole numbers that are exact as such; NaN is what some programs write for an empty cell."""
    bits = column.type.bit_width
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    is_there = ~np.isnan(values)
    is_exact = is_there & (np.abs(values) <= _EXACT[bits])
    is_whole = is_exact & (values == np.trunc(values))
    whole = pa.array(np.where(is_whole, values, 0).astype(np.int64)).cast(pa.string())
    others = np.full(len(values), "", dtype=np.object_)
    rest = np.flatnonzero(is_there & ~is_whole)
    others[rest] = [f"{value:.{_SIGNIFICANT[bits]}g}".upper() for value in values[rest].tolist()]
    texts = pc.if_else(pa.array(is_whole), whole, pa.array(others, pa.string()))
    is_rounded: npt.NDArray[np.bool_] = is_there & ~is_exact & np.isfinite(values)
    return Texts(texts, Marked(CellKind.ROUNDED, is_rounded) if is_rounded.any() else None)


def _days(column: pa.Array) -> Texts:
    return Texts(_filled(column.cast(pa.date32())), _marked(CellKind.DATE, column))


def _moments(column: pa.Array) -> Texts:
    """Write moments in ISO 8601; those with a zone in UTC, in which they are kept."""
    plain = column.view(pa.int64()).view(pa.timestamp(column.type.unit))
    texts = pc.replace_substring_regex(_filled(plain), _MOMENT, r"\1T\2\3")
    if column.type.tz is not None:
        zone = pc.if_else(column.is_valid(), "Z", "")
        texts = pc.binary_join_element_wise(texts, zone, "")
    return Texts(texts, _marked(CellKind.DATE, column))


def _clocks(column: pa.Array) -> Texts:
    texts = pc.replace_substring_regex(_filled(column), _CLOCK, r"\1\2")
    return Texts(texts, _marked(CellKind.DATE, column))


_WAYS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Texts]], ...]] = (
    (pa.types.is_integer, _numbers),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_boolean, _truths),
    (pa.types.is_date, _days),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_time, _clocks),
)


def _written(read: Callable[[], Any], longest: int) -> str:
    """Write a list, a record, bytes or the like, for people to know it again."""
    try:
        value = read()
        if isinstance(value, list | dict):
            text = json.dumps(value, default=_named, ensure_ascii=False)
        else:
            text = _named(value)
    except (ValueError, OverflowError, pa.ArrowException):  # a date that Python does not know, or no UTF-8
        text = "?"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _named(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
