"""How many rows of a batch had which outcome when its files were last written."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("batches", sa.Column("counts", sa.Text(), server_default="", nullable=False))
