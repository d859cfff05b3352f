"""Cells and lines of CSV as Arrow columns: many at once, and the very text that the csv module writes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LINE_END: Final = "\r\n"
_NEEDS_QUOTES: Final = '[",\r\n]'
_RUNS_AS_FORMULA: Final = "^[=+\\-@\t\r]"
_MAY_RUN_AS_FORMULA: Final = "^'*[=+\\-@\t\r]"

Integers = npt.NDArray[np.integer]


def texts_of(values: Sequence[str]) -> pa.Array:
    """Take texts as a column."""
    return pa.array(values, pa.string())


def numbers(values: Integers | pa.Array) -> pa.Array:
    """Write whole numbers as cells; what is null is empty."""
    return pc.fill_null(pc.cast(pa.array(values), pa.string()), "")


def cells(texts: pa.Array) -> pa.Array:
    """Write texts as cells: in quotes where they need them."""
    return texts if _is_plain(texts) else _quoted(texts)


def protected_cells(texts: pa.Array) -> pa.Array:
    """Write texts as cells that no spreadsheet runs as a formula."""
    return texts if _is_plain(texts) else _quoted(texts, protect_from=_RUNS_AS_FORMULA)


def protected_original_cells(texts: pa.Array) -> pa.Array:
    """Write cells of the input so that `unprotect` gives them back as they were."""
    return texts if _is_plain(texts) else _quoted(texts, protect_from=_MAY_RUN_AS_FORMULA)


def joined(*columns: pa.Array | pa.Scalar | str, by: str = ",") -> pa.Array:
    """Join columns to one, of which any but not all may be one text for all rows."""
    return pc.binary_join_element_wise(*columns, by)


def ended(last: pa.Array | str) -> pa.Array | str:
    """Put the end of the line behind the last cells."""
    return last + LINE_END if isinstance(last, str) else joined(last, LINE_END, by="")


def content(texts: pa.Array) -> memoryview:
    """Return texts one behind the other, as they lie in memory."""
    if not len(texts):
        return memoryview(b"")
    ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(texts.buffers()[2] or b"")[int(ends[0]) : int(ends[-1])]


def _is_plain(texts: pa.Array) -> bool:
    """Tell whether there are but letters and digits in any of some texts, as in the ids of most servers."""
    together = bytes(content(texts))
    return not together or together.isalnum()


def _quoted(texts: pa.Array, *, protect_from: str | None = None) -> pa.Array:
    """Put a `'` before what a spreadsheet would run, and quotes around what needs them."""
    quotes = _where(texts, _NEEDS_QUOTES, '"')
    protections = "" if protect_from is None else _where(texts, protect_from, "'")
    if isinstance(quotes, str) and isinstance(protections, str):
        return texts
    if b'"' in bytes(content(texts)):
        texts = pc.replace_substring(texts, '"', '""')
    return joined(quotes, protections, texts, quotes, by="")


def _where(texts: pa.Array, pattern: str, mark: str) -> pa.Array | str:
    """Return a mark where a text matches, and nothing where it does not."""
    matches = pc.match_substring_regex(texts, pattern)
    return texts_of(["", mark]).take(pc.cast(matches, pa.int8())) if pc.any(matches).as_py() else ""
