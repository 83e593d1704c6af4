"""Reviews name the request that was answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review", sa.Column("request_id", sa.String(128), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("review", "request_id")
