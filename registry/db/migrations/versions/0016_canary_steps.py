"""Canaries that are raised in steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "canarysteps",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("adapter", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("canary_revision", sa.Integer, nullable=False),
        sa.Column("stable_revision", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("canarysteps")
