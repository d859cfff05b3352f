"""When a batch was pruned, whether something of it is still to be removed, and its figures as they were."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("batches", sa.Column("pruned_at", sa.Text(), server_default="", nullable=False))
    op.add_column("batches", sa.Column("pruning", sa.Integer(), server_default="0", nullable=False))
    op.add_column("batches", sa.Column("figures", sa.Text(), server_default="", nullable=False))
