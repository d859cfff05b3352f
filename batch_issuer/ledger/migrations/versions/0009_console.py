"""Who may use the console, what they brought and set going, and the audit log of what they did."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=True)


def upgrade() -> None:
    op.add_column("batches", _text("issued_by"))
    op.add_column("batches", _text("upload"))
    op.create_index("batches_by_upload", "batches", ["upload"])
    _make_accounts()
    _make_audit()
    _make_work()


def _make_accounts() -> None:
    op.create_table(
        "users",
        _key("user"),
        *(_text("password"), _text("roles"), _text("created_at"), _text("disabled_at")),
    )
    op.create_table(
        "sessions",
        _key("digest"),
        *(_text("user"), _text("created_at"), _text("seen_at"), _text("ends_at")),
    )
    op.create_index("sessions_by_user", "sessions", ["user"])
    op.create_table(
        "tokens",
        _key("token"),
        sa.Column("digest", sa.Text(), nullable=False, unique=True),
        *(_text("user"), _text("name"), _text("created_at"), _text("ends_at"), _text("revoked_at")),
    )
    op.create_index("tokens_by_user", "tokens", ["user"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        *(_text("at"), _text("user"), _text("via"), _text("address"), _text("action")),
        *(_text("about"), _text("detail")),
    )
    op.create_index("audit_by_action", "audit", ["action", "about", "at"])
    op.create_index("audit_by_user", "audit", ["user"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_refuses_{change.lower()} BEFORE {change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
        )
    # INSERT OR REPLACE deletes what is in its way without asking the trigger above
    op.execute(
        "CREATE TRIGGER audit_refuses_replace BEFORE INSERT ON audit "
        "WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
    )


def _make_work() -> None:
    op.create_table(
        "uploads",
        _key("upload"),
        *(_text("user"), _text("file_name"), _text("kind")),
        sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"),
        *(_text("sha256"), _text("created_at"), _text("options"), _text("checked"), _text("batch")),
    )
    op.create_index("uploads_by_user", "uploads", ["user"])
    op.create_table(
        "corrections",
        *(sa.Column("upload", sa.Text(), nullable=False), sa.Column("row", sa.BigInteger(), nullable=False)),
        *(sa.Column("position", sa.Integer(), nullable=False), _text("value"), _text("corrected_at")),
        sa.PrimaryKeyConstraint("upload", "row", "position"),
    )
    op.create_table("remembered_columns", _key("title"), _text("column"), _text("user"), _text("at"))
    op.create_table(
        "runs",
        _key("run"),
        *(_text("action"), _text("upload"), _text("batch"), _text("user"), _text("via"), _text("options")),
        *(_text("made_at"), _text("ended_at"), sa.Column("exit_code", sa.Integer()), _text("message")),
        sa.Column("occupies", sa.Text(), unique=True),
    )
    op.create_index("runs_by_batch", "runs", ["batch"])
    op.create_index("runs_by_upload", "runs", ["upload"])
    op.create_table(
        "idempotency_keys",
        *(sa.Column("user", sa.Text(), nullable=False), sa.Column("key", sa.Text(), nullable=False)),
        *(_text("digest"), _text("run"), _text("made_at")),
        sa.PrimaryKeyConstraint("user", "key"),
    )
