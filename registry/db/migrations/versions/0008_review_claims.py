"""Deliveries of decisions that one gateway has claimed, and leases that one of several gateways holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review", sa.Column("delivery_claimed_by", sa.String(32)))
    op.add_column("review", sa.Column("delivery_claimed_until", sa.DateTime(timezone=True)))
    op.create_index("ix_review_next_try", "review", ["next_try"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(32)),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("lease")
    op.drop_index("ix_review_next_try", "review")
    op.drop_column("review", "delivery_claimed_until")
    op.drop_column("review", "delivery_claimed_by")
