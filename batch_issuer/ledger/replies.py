"""Replies as columns: packed so that those of many requests are read at once, without an object for each."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from batch_issuer.batch.outcomes import Reply, ServerError
from batch_issuer.batch.requests import CustomerIds

_HEAD: Final = struct.Struct("<BII")
"""The form, how many replies, and how many bytes their issued ids take."""
_COLUMNS: Final = 1
"""The form; what was packed as compressed JSON starts with a `x`."""
_NONE: Final = -1
_HIGHEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplyColumns:
    """What the server said: of `customers[i]` it said `issued_ids[i]` and `errors[error_of[i]]`."""

    customers: CustomerIds
    issued_ids: pa.Array
    """Texts; null where none was given."""
    error_of: npt.NDArray[np.int32]
    """-1 where there is no error."""
    errors: tuple[ServerError, ...]

    @classmethod
    def of(cls, replies: Iterable[Reply]) -> Self:
        """Take replies: of two for one customer the later, and none for an id that no customer can have."""
        last = {reply.customer_id: reply for reply in replies}
        given = [reply for reply in last.values() if abs(reply.customer_id) <= _HIGHEST_ID]
        places: dict[ServerError | None, int] = {None: _NONE}
        error_of = [places.setdefault(reply.error, len(places) - 1) for reply in given]
        return cls(
            customers=np.array([reply.customer_id for reply in given], dtype=np.int64),
            issued_ids=pa.array([reply.issued_id for reply in given], pa.string()),
            error_of=np.array(error_of, dtype=np.int32),
            errors=tuple(error for error in places if error is not None),
        )

    def __iter__(self) -> Iterator[Reply]:
        """Yield them one by one."""
        for customer_id, issued_id, error in zip(
            self.customers.tolist(), self.issued_ids.to_pylist(), self.error_of.tolist(), strict=True
        ):
            found = None if error == _NONE else self.errors[error]
            yield Reply(customer_id=customer_id, issued_id=issued_id, error=found)

    def pack(self) -> bytes:
        """Pack them: customers, lengths of ids, ids, and only where there are errors those behind them."""
        ids = [None if one is None else one.encode() for one in self.issued_ids.to_pylist()]
        lengths = np.array([_NONE if one is None else len(one) for one in ids], dtype="<i4")
        content = b"".join(one for one in ids if one is not None)
        parts = [
            _HEAD.pack(_COLUMNS, len(ids), len(content)),
            self.customers.astype("<i8").tobytes(),
            lengths.tobytes(),
            content,
        ]
        if self.errors:
            errors = orjson.dumps([[error.code, error.message] for error in self.errors])
            parts += [self.error_of.astype("<i4").tobytes(), zlib.compress(errors, level=1)]
        return b"".join(parts)


def unpack_columns(packed: Sequence[bytes]) -> tuple[ReplyColumns, npt.NDArray[np.int64]]:
    """Read the packed replies of some requests one behind the other; return how many each has, too."""
    read = [_Parts.of(one) for one in packed]
    error_of, errors = _joined_errors(read)
    lengths = np.frombuffer(b"".join(one.lengths for one in read), dtype="<i4")
    columns = ReplyColumns(
        customers=np.frombuffer(b"".join(one.customers for one in read), dtype="<i8"),
        issued_ids=_texts(lengths, b"".join(one.ids for one in read)),
        error_of=error_of,
        errors=errors,
    )
    return columns, np.array([one.replies for one in read], dtype=np.int64)


class _Parts(NamedTuple):
    """The packed columns of one request's replies."""

    replies: int
    customers: bytes
    lengths: bytes
    ids: bytes
    errors: bytes

    @classmethod
    def of(cls, packed: bytes) -> Self:
        if packed[0] != _COLUMNS:
            packed = ReplyColumns.of(_from_json(packed)).pack()
        _, count, size = _HEAD.unpack_from(packed)
        lengths = _HEAD.size + 8 * count
        ids = lengths + 4 * count
        return cls(
            replies=count,
            customers=packed[_HEAD.size : lengths],
            lengths=packed[lengths:ids],
            ids=packed[ids : ids + size],
            errors=packed[ids + size :],
        )

    def error_columns(self) -> tuple[npt.NDArray[np.int32], list[ServerError]]:
        places = np.frombuffer(self.errors[: 4 * self.replies], dtype="<i4").astype(np.int32)
        found = orjson.loads(zlib.decompress(self.errors[4 * self.replies :]))
        return places, [ServerError(code=code, message=message) for code, message in found]


def _joined_errors(read: Sequence[_Parts]) -> tuple[npt.NDArray[np.int32], tuple[ServerError, ...]]:
    """Give each error that several requests share one place."""
    error_of = np.full(sum(one.replies for one in read), _NONE, dtype=np.int32)
    places: dict[ServerError, int] = {}
    start = 0
    for one in read:
        if one.errors:
            own, errors = one.error_columns()
            shared = np.array([*(places.setdefault(error, len(places)) for error in errors), _NONE])
            error_of[start : start + one.replies] = shared[own]  # -1 finds the last
        start += one.replies
    return error_of, tuple(places)


def _texts(lengths: npt.NDArray[np.int32], content: bytes) -> pa.Array:
    """Lay texts out as Arrow does; a length of -1 is null."""
    ends = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(np.maximum(lengths, 0), out=ends[1:])
    is_given = lengths >= 0
    given = None if is_given.all() else pa.array(is_given).buffers()[1]
    return pa.Array.from_buffers(
        pa.string(), len(lengths), [given, pa.py_buffer(ends), pa.py_buffer(content)]
    )


def _from_json(packed: bytes) -> Iterator[Reply]:
    """Read what earlier versions wrote."""
    for customer_id, issued_id, error in orjson.loads(zlib.decompress(packed)):
        found = None if error is None else ServerError(code=error[0], message=error[1])
        yield Reply(customer_id=customer_id, issued_id=issued_id, error=found)
