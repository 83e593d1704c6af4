"""Answers that wait for a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("domain", sa.String(64), nullable=False, index=True),
        sa.Column("adapter", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("verdicts", sa.JSON, nullable=False),
        sa.Column("holding", sa.String),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("assigned_to", sa.String),
        sa.Column("decided_by", sa.String),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("final", sa.String),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("webhook", sa.String),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.DateTime(timezone=True)),
        sa.Column("told", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table("review")
