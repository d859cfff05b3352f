"""Which lane claimed a request, and what is staged of an input that is checked and planned in parts."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_READ_IN_PIECES = {
    "staged_parts": ("customers", "rows"),
    "staged_units": ("duplicates", "repeated", "held", "held_customers", "holders"),
}


def upgrade() -> None:
    op.add_column("requests", sa.Column("claimed_in", sa.Text(), server_default="", nullable=False))
    op.add_column("requests", sa.Column("attempts_before", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "staged_parts",
        sa.Column("batch", sa.Text(), sa.ForeignKey("batches.batch"), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("customers", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "part"),
    )
    op.create_table(
        "staged_units",
        sa.Column("batch", sa.Text(), sa.ForeignKey("batches.batch"), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.LargeBinary(), nullable=False),
        sa.Column("repeated", sa.LargeBinary(), nullable=False),
        sa.Column("held", sa.LargeBinary(), nullable=False),
        sa.Column("held_customers", sa.LargeBinary(), nullable=False),
        sa.Column("holders", sa.LargeBinary(), nullable=False),
        sa.Column("holder_ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "unit"),
    )
    if op.get_bind().dialect.name == "postgresql":  # pieces of them are read, so they are not compressed
        for table, columns in _READ_IN_PIECES.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
