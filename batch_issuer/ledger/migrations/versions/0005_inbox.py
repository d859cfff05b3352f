"""Which file of a watched folder a batch was made from, and where that file goes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("inbox_file", "inbox_place"):
        op.add_column("batches", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.add_column("batches", sa.Column("inbox_moved", sa.Integer(), server_default="0", nullable=False))
    op.create_index("batches_by_inbox_file", "batches", ["inbox_file"])
