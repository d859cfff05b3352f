"""How the ledger packs rows, problems and replies into bytes."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import Reply
from batch_issuer.batch.problem_columns import ProblemColumns, ProblemKind
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.ledger.replies import ReplyColumns, unpack_columns

_KINDS: Final = b"kinds"
_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="zstd")
_ZLIB: Final = b"\x78"
"""How problems began when they were a compressed list; an Arrow stream begins otherwise."""


def pack_customers(customers: CustomerIds) -> bytes:
    """Pack customer ids, 8 bytes each."""
    return customers.astype("<i8").tobytes()


def unpack_customers(packed: bytes) -> CustomerIds:
    """Read what `pack_customers` wrote."""
    return np.frombuffer(packed, dtype="<i8").astype(np.int64)


def pack_rows(rows: RowNumbers) -> bytes:
    """Pack row numbers, 4 bytes each."""
    return rows.astype("<u4").tobytes()


def unpack_rows(packed: bytes) -> RowNumbers:
    """Read what `pack_rows` wrote."""
    return np.frombuffer(packed, dtype="<u4").astype(np.uint32)


def pack_problems(problems: ProblemColumns) -> bytes:
    """Pack input problems as an Arrow stream of their columns."""
    kinds = orjson.dumps([list(kind) for kind in problems.kinds])
    columns = {"row": pa.array(problems.rows), "kind": pa.array(problems.codes), "value": problems.values}
    batch = pa.RecordBatch.from_pydict(columns, metadata={_KINDS: kinds})
    packed = pa.BufferOutputStream()
    with pa.ipc.new_stream(packed, batch.schema, options=_COMPRESSED) as stream:
        stream.write_batch(batch)
    return bytes(packed.getvalue())


def unpack_problems(packed: bytes) -> ProblemColumns:
    """Read what `pack_problems` wrote, or wrote before it knew columns."""
    if packed.startswith(_ZLIB):
        return _unpack_listed_problems(packed)
    with pa.ipc.open_stream(packed) as stream:
        table = stream.read_next_batch()
    kinds = [(column, Rule(rule), hint) for column, rule, hint in orjson.loads(table.schema.metadata[_KINDS])]
    return ProblemColumns(
        rows=np.asarray(table.column("row")),
        codes=np.asarray(table.column("kind")),
        kinds=tuple(ProblemKind(*kind) for kind in kinds),
        values=table.column("value"),
    )


def _unpack_listed_problems(packed: bytes) -> ProblemColumns:
    return ProblemColumns.of(
        InputProblem(row=row, column=column, value=value, rule=Rule(rule), hint=hint)
        for row, column, value, rule, hint in orjson.loads(zlib.decompress(packed))
    )


def pack_replies(replies: Iterable[Reply]) -> bytes:
    """Pack what the server said of each customer."""
    return ReplyColumns.of(replies).pack()


def unpack_replies(packed: bytes) -> list[Reply]:
    """Read what `pack_replies` wrote, in this version or an earlier one."""
    return list(unpack_columns([packed])[0])


def pack_holders(request_ids: Sequence[RequestId], holders: npt.NDArray[np.int32]) -> bytes:
    """Pack a request id for each row: `request_ids[holders[i]]`, each id once."""
    present, places = np.unique(holders, return_inverse=True)
    return _pack([[request_ids[n] for n in present.tolist()], places.tolist()])


def unpack_holders(packed: bytes) -> tuple[list[RequestId], npt.NDArray[np.int32]]:
    """Read what `pack_holders` wrote."""
    request_ids, places = orjson.loads(zlib.decompress(packed))
    return request_ids, np.array(places, dtype=np.int32)


def _pack(values: Sequence[Sequence[object]]) -> bytes:
    # JSON has no lone surrogates; a cell that was decoded strictly can't hold one
    return zlib.compress(orjson.dumps(values), level=1)
