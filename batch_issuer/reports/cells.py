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
    if _is_plain(texts):
        return texts
    is_odd = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not pc.any(is_odd).as_py():
        return texts
    return pc.if_else(is_odd, _between(texts, '"'), texts)


def protected_cells(texts: pa.Array) -> pa.Array:
    """Write texts as cells that no spreadsheet runs as a formula."""
    return texts if _is_plain(texts) else cells(_protected(texts, _RUNS_AS_FORMULA))


def protected_original_cells(texts: pa.Array) -> pa.Array:
    """Write cells of the input so that `unprotect` gives them back as they were."""
    return texts if _is_plain(texts) else cells(_protected(texts, _MAY_RUN_AS_FORMULA))


def joined(*columns: pa.Array | pa.Scalar | str, by: str = ",") -> pa.Array:
    """Join columns to one, of which any but not all may be one text for all rows."""
    return pc.binary_join_element_wise(*columns, by)


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


def _protected(texts: pa.Array, runs: str) -> pa.Array:
    would_run = pc.match_substring_regex(texts, runs)
    if not pc.any(would_run).as_py():
        return texts
    return pc.if_else(would_run, joined("'", texts, by=""), texts)


def _between(texts: pa.Array, quote: str) -> pa.Array:
    return joined(quote, pc.replace_substring(texts, quote, quote * 2), quote, by="")
