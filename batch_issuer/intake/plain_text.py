"""Looks at quotes and line ends of separated text, as bytes, where records may be told apart by counting."""

from typing import Final

import numpy as np
import numpy.typing as npt

QUOTE: Final = ord('"')
NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")


def are_around_cells(
    codes: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], delimiter: str, *, may_be_doubled: bool
) -> bool:
    """Tell whether the quotes of some text stand only around whole cells, or doubled inside them as well."""
    if len(quotes) % 2:
        return False
    is_border = np.zeros(256, dtype=np.bool_)
    is_border[[ord(delimiter), NEWLINE, _RETURN]] = True
    is_border[QUOTE] = may_be_doubled
    before, behind = quotes[::2] - 1, quotes[1::2] + 1
    before = before[1:] if len(before) and before[0] < 0 else before
    behind = behind[:-1] if len(behind) and behind[-1] == len(codes) else behind
    return bool(is_border[codes[before]].all() and is_border[codes[behind]].all())


def has_lone_return(codes: npt.NDArray[np.uint8]) -> bool:
    """Tell whether a line ends as on old Macintoshes; inside a cell it counts, too."""
    behind = np.flatnonzero(codes == _RETURN) + 1  # counting pairs of bytes takes twice as long
    if len(behind) and behind[-1] == len(codes):
        return True
    return bool((codes[behind] != NEWLINE).any())
