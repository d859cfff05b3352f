"""Where a batch's file stood in an inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("batches", sa.Column("inbox_file", sa.Text(), server_default="", nullable=False))
    op.add_column("batches", sa.Column("inbox_place", sa.Text(), server_default="", nullable=False))
    op.add_column("batches", sa.Column("inbox_moved", sa.Integer(), server_default="0", nullable=False))
