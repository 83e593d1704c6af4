"""How often a file of held-out rows was measured with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "heldoutuse",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("measured", sa.String(71), primary_key=True),
        sa.Column("adapter", sa.String(64), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("heldoutuse")
