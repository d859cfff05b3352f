"""How the ledger packs rows, problems and replies into bytes."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import orjson

from batch_issuer.batch.outcomes import Reply, ServerError
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.batch.requests import CustomerIds, RowNumbers


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


def pack_problems(problems: Sequence[InputProblem]) -> bytes:
    """Pack input problems."""
    return _pack([[p.row, p.column, p.value, p.rule, p.hint] for p in problems])


def unpack_problems(packed: bytes) -> list[InputProblem]:
    """Read what `pack_problems` wrote."""
    return [
        InputProblem(row=row, column=column, value=value, rule=Rule(rule), hint=hint)
        for row, column, value, rule, hint in orjson.loads(zlib.decompress(packed))
    ]


def pack_replies(replies: Iterable[Reply]) -> bytes:
    """Pack what the server said of each customer."""
    return _pack(
        [
            [r.customer_id, r.issued_id, None if r.error is None else [r.error.code, r.error.message]]
            for r in replies
        ]
    )


def unpack_replies(packed: bytes) -> list[Reply]:
    """Read what `pack_replies` wrote."""
    return [
        Reply(
            customer_id=customer_id,
            issued_id=issued_id,
            error=None if error is None else ServerError(code=error[0], message=error[1]),
        )
        for customer_id, issued_id, error in orjson.loads(zlib.decompress(packed))
    ]


def _pack(values: list[list[object]]) -> bytes:
    # JSON has no lone surrogates; a cell that was decoded strictly can't hold one
    return zlib.compress(orjson.dumps(values), level=1)
