"""The names of a batch's badges, as the server knows them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("batches", sa.Column("badges", sa.Text(), server_default="", nullable=False))
