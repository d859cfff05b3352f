"""Leases, who sends a request, what a 429 put off, and the database's timeline."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("boot", sa.Text(), server_default="", nullable=False),
        sa.Column("namespace", sa.Text(), server_default="", nullable=False),
        sa.Column("pid", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started", sa.Text(), server_default="", nullable=False),
        sa.Column("expires_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_uptime", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("requests", sa.Column("owner", sa.Text(), server_default="", nullable=False))
    op.add_column("pace", sa.Column("not_before", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("batches", sa.Column("timeline", sa.Integer(), server_default="0", nullable=False))
