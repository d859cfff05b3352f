"""Looks into Arrow text without making an object of each cell."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_ZERO, _MOST = np.uint8(ord("0")), np.uint8(9)


def text_offsets(cells: pa.Array) -> npt.NDArray[np.int64]:
    """Return where each cell begins in the bytes behind the array, and where the last one ends."""
    if not len(cells):
        return np.zeros(1, dtype=np.int64)
    kind = np.int64 if pa.types.is_large_string(cells.type) else np.int32
    offsets = np.frombuffer(cells.buffers()[1], kind)[cells.offset : cells.offset + len(cells) + 1]
    return offsets.astype(np.int64, copy=False)


def text_bytes(cells: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of all cells, one behind the other."""
    offsets = text_offsets(cells)
    return np.frombuffer(cells.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]


def first_bytes(cells: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the first byte of each cell; 0 where a cell is empty."""
    offsets = text_offsets(cells)
    content = np.frombuffer(cells.buffers()[2] or b"\0", np.uint8)
    first = content.take(offsets[:-1], mode="clip")
    first[offsets[1:] == offsets[:-1]] = 0
    return first


def holds_only_digits(cells: pa.Array) -> bool:
    """Tell whether no cell holds anything but 0 to 9."""
    above_zero = text_bytes(cells) - _ZERO  # what stands before 0 becomes a large number
    return bool((above_zero <= _MOST).all())
