"""Gives codes to values, so that rows can hold numbers in their place."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Cells = tuple[str, ...]


class CodeBook:
    """Some values, each under its code: `values[code]`."""

    def __init__(self) -> None:
        """Start empty."""
        self.values: list[Cells] = []
        """In order of their codes; it grows."""
        self._code_of: dict[Cells, int] = {}

    def read(self, values: Sequence[Cells]) -> npt.NDArray[np.int32]:
        """Return the code of each value; those that are new get the next ones, in their order."""
        code_of, known = self._code_of, len(self.values)
        codes = np.array([code_of.setdefault(value, len(code_of)) for value in values], dtype=np.int32)
        if len(code_of) - known == len(values):
            self.values.extend(values)
        elif len(code_of) > known:
            distinct, firsts = np.unique(codes, return_index=True)
            self.values.extend(values[at] for at in firsts[distinct >= known].tolist())
        return codes
