"""The ledger's tables: text, integers and packed bytes only, so that every database shares them.

Times are UTC, `2026-01-31T08:15:00Z`; an empty text means "not yet" or "left out".
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


batches = Table(
    "batches",
    metadata,
    Column("batch", Text, primary_key=True),
    _text("name"),
    Column("base_url", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("input_name", Text, nullable=False),
    Column("input_sha256", Text, nullable=False),
    _count("rows"),
    _count("invalid"),
    _count("duplicates"),
    Column("settings", Text, nullable=False),
    _text("repairs"),
    Column("created_at", Text, nullable=False),
    _text("started_at"),
    _text("finished_at"),
    Column("exit_code", Integer),
    Index("batches_by_content", "base_url", "org_id", "input_sha256"),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("badge_meta_id", Text, nullable=False),
    _text("owner_type"),
    _text("reference_id"),
    _text("issue_event_date"),
    Column("customers", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    _text("workflow_request_id"),
    _text("state"),
    _text("outcome"),
    _count("is_final"),
    Column("http_status", Integer),
    _text("error_code"),
    _text("error_message"),
    _count("attempts"),
    _text("submitted_at"),
    _text("updated_at"),
    Index("requests_by_batch", "batch", "chunk"),
)

request_rows = Table(
    "request_rows",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id"), primary_key=True),
    Column("customers", LargeBinary, nullable=False),
    Column("rows", LargeBinary, nullable=False),
)
"""A chunk's accounting: customer ids as packed little-endian int64, row numbers as packed uint32."""

replies = Table(
    "replies",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id"), primary_key=True),
    Column("replies", LargeBinary, nullable=False),
)
"""What the server said of each customer of an executed request: compressed JSON."""

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("sent_at", Text, nullable=False),
    _text("answered_at"),
    _text("stage"),
    Column("http_status", Integer),
    _text("error_code"),
    _text("error_message"),
    PrimaryKeyConstraint("request_id", "attempt"),
)

problems = Table(
    "problems",
    metadata,
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("block", Integer, nullable=False),
    Column("problems", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "block"),
)
"""Input problems in input order, some thousands in a block of compressed JSON."""

duplicates = Table(
    "duplicates",
    metadata,
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("block", Integer, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    Column("repeated", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "block"),
)
"""Row numbers that repeat others, as packed uint32, in input order."""

pace = Table(
    "pace",
    metadata,
    Column("server", Text, primary_key=True),
    Column("next_at", BigInteger, nullable=False),
)
"""When the next API call of a server and organisation may start: microseconds since 1970."""
