"""Signatures of adapters, and the keys that a domain accepts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signingkey",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("pem", sa.String, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "signature",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("artifact", sa.String(71), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("bundle", sa.String, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("signature")
    op.drop_table("signingkey")
