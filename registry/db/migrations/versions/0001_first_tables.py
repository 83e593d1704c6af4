"""The first tables: domains, releases, channels, tenants, events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "domain",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("default_adapter", sa.String(64), nullable=False),
    )
    op.create_table(
        "release",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("domain", sa.String(64), nullable=False, index=True),
        sa.Column("adapter", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("artifact", sa.String(71), nullable=False),
        sa.Column("base_id", sa.String, nullable=False),
        sa.Column("base_revision", sa.String(71), nullable=False),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("policy_digest", sa.String(71), nullable=False),
        sa.Column("validators", sa.JSON, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("domain", "adapter", "number"),
        sa.UniqueConstraint("domain", "adapter", "artifact", "base_revision", "policy_digest"),
    )
    op.create_table(
        "channel",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("adapter", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "tenant",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("domains", sa.JSON, nullable=False),
        sa.Column("default_domain", sa.String(64)),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("key_prefix", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String, nullable=False, index=True),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("before", sa.Integer),
        sa.Column("after", sa.Integer),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    for table in ("event", "tenant", "channel", "release", "domain"):
        op.drop_table(table)
