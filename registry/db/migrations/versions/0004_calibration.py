"""What was fitted when an adapter was evaluated: how its confidence is read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("release", sa.Column("calibration", sa.JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("release", "calibration")
