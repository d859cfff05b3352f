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
    _count("already_issued"),
    Column("settings", Text, nullable=False),
    _text("repairs"),
    Column("created_at", Text, nullable=False),
    _text("started_at"),
    _text("finished_at"),
    Column("exit_code", Integer),
    _count("timeline"),
    _text("form"),
    _text("warnings"),
    _text("badges"),
    _text("inbox_file"),
    _text("inbox_place"),
    _count("inbox_moved"),
    _text("counts"),
    _text("pruned_at"),
    _count("pruning"),
    _text("figures"),
    _text("issued_by"),
    _text("upload"),
    Index("batches_by_content", "base_url", "org_id", "input_sha256"),
    Index("batches_by_inbox_file", "inbox_file"),
    Index("batches_by_upload", "upload"),
)
"""`inbox_file` is the folder's id and the name of the file that came through a watched folder, `inbox_place`
where in that folder it goes, and `inbox_moved` whether it is there."""

requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("chunk", Integer, nullable=False),
    _text("halvings"),
    _count("generation"),
    _text("origin"),
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
    _count("is_definite"),
    Column("http_status", Integer),
    _text("error_code"),
    _text("error_message"),
    _count("attempts"),
    _count("doubts"),
    _text("submitted_at"),
    _text("updated_at"),
    _text("owner"),
    _text("claimed_in"),
    _count("attempts_before"),
    Index("requests_by_batch", "batch", "chunk"),
    Index("requests_by_group", "badge_meta_id", "owner_type", "reference_id", "issue_event_date"),
    Index("requests_by_origin", "origin"),
)

"""`owner` is whose lease the request is sent under, or was claimed by; `claimed_in` the sending (that of one
command, in however many runs of lanes) in which that was, and `attempts_before` how many attempts it had when
that first claimed it."""

request_rows = Table(
    "request_rows",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id"), primary_key=True),
    Column("customers", LargeBinary, nullable=False),
    Column("rows", LargeBinary, nullable=False),
)
"""A chunk's accounting: customer ids as packed little-endian int64, row numbers as packed uint32."""

workflow_requests = Table(
    "workflow_requests",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id"), nullable=False),
    Column("workflow_request_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    _text("outcome"),
    _count("is_final"),
    _count("is_definite"),
    _text("error_code"),
    _text("error_message"),
    Column("updated_at", Text, nullable=False),
    Column("replies", LargeBinary),
    PrimaryKeyConstraint("request_id", "workflow_request_id"),
)
"""Every workflow request of the server that carries one of our request ids (twins, where there are
several); `replies` is what an executed one says of each customer, packed in columns."""

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
"""Input problems in input order, some thousands in a block: an Arrow stream of their columns."""

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

held_rows = Table(
    "held_rows",
    metadata,
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("block", Integer, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    Column("customers", LargeBinary, nullable=False),
    Column("holders", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "block"),
)
"""Rows that are not sent because another batch holds their (customer, group), in input order: packed
as in `request_rows`, and which request of the other batch held each of them, as compressed JSON."""

staged_parts = Table(
    "staged_parts",
    metadata,
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("part", Integer, nullable=False),
    Column("customers", LargeBinary, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "part"),
)
"""The valid rows of one part of an input that is checked in parts, packed as in `request_rows`, in the order
in which planning reads them; here only while the batch is recorded."""

staged_units = Table(
    "staged_units",
    metadata,
    Column("batch", Text, ForeignKey("batches.batch"), nullable=False),
    Column("unit", Integer, nullable=False),
    Column("duplicates", LargeBinary, nullable=False),
    Column("repeated", LargeBinary, nullable=False),
    Column("held", LargeBinary, nullable=False),
    Column("held_customers", LargeBinary, nullable=False),
    Column("holders", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "unit"),
)
"""What planning leaves out of one unit, which is some groups or a share of a large one: duplicates, and rows
whose customer another batch holds; packed, and here only while the batch is recorded."""

pace = Table(
    "pace",
    metadata,
    Column("server", Text, primary_key=True),
    Column("next_at", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False, server_default="0"),
)
"""When the next API call of a server and organisation may start, and what the latest 429 put off:
microseconds since 1970."""

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    _text("owner"),
    _text("host"),
    _text("boot"),
    _text("namespace"),
    _count("pid"),
    _text("started"),
    Column("expires_at", BigInteger, nullable=False, server_default="0"),
    Column("expires_uptime", BigInteger, nullable=False, server_default="0"),
)
"""Who may do what only one may do at a time, with what tells whether that process is still there. A
lease runs out in microseconds since 1970, and since its owner's machine started; nobody's has no owner."""

notices = Table(
    "notices",
    metadata,
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _text("about"),
    _count("figure"),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    _text("attachment"),
    Column("made_at", Text, nullable=False),
    Column("until", Text, nullable=False),
    _text("told_at"),
    PrimaryKeyConstraint("channel", "key"),
    Index("notices_by_about", "about"),
    Index("notices_by_time", "made_at"),
)
"""What a channel was told, or is still to be told until it is no news any more. The key makes it one
time only; `about` names batches, and `figure` is what must get worse for the same to be told again."""

users = Table(
    "users",
    metadata,
    Column("user", Text, primary_key=True),
    _text("password"),
    _text("roles"),
    _text("created_at"),
    _text("disabled_at"),
)
"""Who may use the console: a password as argon2 hashed it (none for who signs in elsewhere), and roles
parted by blanks."""

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    _text("user"),
    _text("created_at"),
    _text("seen_at"),
    _text("ends_at"),
    Index("sessions_by_user", "user"),
)
"""Who is signed in: the digest of what the browser's cookie holds, never that itself."""

tokens = Table(
    "tokens",
    metadata,
    Column("token", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    _text("user"),
    _text("name"),
    _text("created_at"),
    _text("ends_at"),
    _text("revoked_at"),
    Index("tokens_by_user", "user"),
)
"""Tokens by which other systems use the API as a user: an id to speak of it, and its digest."""

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _text("at"),
    _text("user"),
    _text("via"),
    _text("address"),
    _text("action"),
    _text("about"),
    _text("detail"),
    Index("audit_by_action", "action", "about", "at"),
    Index("audit_by_user", "user"),
)
"""Who did what, by which door, from which address; triggers refuse every change of what is there.

`about` is a batch, an upload, a run or a user; `detail` is JSON."""

uploads = Table(
    "uploads",
    metadata,
    Column("upload", Text, primary_key=True),
    _text("user"),
    _text("file_name"),
    _text("kind"),
    Column("size", BigInteger, nullable=False, server_default="0"),
    _text("sha256"),
    _text("created_at"),
    _text("options"),
    _text("checked"),
    _text("batch"),
    Index("uploads_by_user", "user"),
)
"""Files that somebody brought, each until it is a batch: how it is to be read, and what checking it found,
both as JSON."""

corrections = Table(
    "corrections",
    metadata,
    Column("upload", Text, nullable=False),
    Column("row", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    _text("value"),
    _text("corrected_at"),
    PrimaryKeyConstraint("upload", "row", "position"),
)
"""Cells of an upload that somebody corrected, by row and by place in the row."""

remembered_columns = Table(
    "remembered_columns",
    metadata,
    Column("title", Text, primary_key=True),
    _text("column"),
    _text("user"),
    _text("at"),
)
"""Which column a header meant the last time that somebody chose it."""

runs = Table(
    "runs",
    metadata,
    Column("run", Text, primary_key=True),
    _text("action"),
    _text("upload"),
    _text("batch"),
    _text("user"),
    _text("via"),
    _text("options"),
    _text("made_at"),
    _text("ended_at"),
    Column("exit_code", Integer),
    _text("message"),
    Column("occupies", Text, unique=True),
    Index("runs_by_batch", "batch"),
    Index("runs_by_upload", "upload"),
)
"""What the console was asked to do in the background. One that has not ended `occupies` its upload or
batch: another one for the same is refused by the table itself."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user", Text, nullable=False),
    Column("key", Text, nullable=False),
    _text("digest"),
    _text("run"),
    _text("made_at"),
    PrimaryKeyConstraint("user", "key"),
)
"""Keys under which other systems created batches, and the run that each made."""
