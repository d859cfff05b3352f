"""How a batch's file was read, and what the user should know of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for name in ("form", "warnings"):
        op.add_column("batches", sa.Column(name, sa.Text(), server_default="", nullable=False))
