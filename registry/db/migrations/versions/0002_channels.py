"""Canary and shadow channels, pins, how shadows agree, where a release came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("release", sa.Column("source", sa.String, nullable=False, server_default=""))
    op.add_column("channel", sa.Column("weight", sa.Float, nullable=False, server_default="100"))
    op.add_column("event", sa.Column("details", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "pin",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("adapter", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "agreement",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("adapter", sa.String(64), primary_key=True),
        sa.Column("answered", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("shadow", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("compared", sa.Integer, nullable=False),
        sa.Column("agreed", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """The channels and pins that version 0001 knows nothing of go. Events that it could not check are not cut short."""
    if op.get_bind().execute(sa.text("SELECT count(*) FROM event WHERE CAST(details AS VARCHAR) <> '{}'")).scalar():
        raise RuntimeError(
            "the log has events of canaries, shadows, pins or keys, which version 0001 cannot verify;"
            " go back by a backup"
        )
    op.drop_table("agreement")
    op.drop_table("pin")
    op.execute("DELETE FROM channel WHERE name <> 'stable'")
    op.drop_column("event", "details")
    op.drop_column("channel", "weight")
    op.drop_column("release", "source")
