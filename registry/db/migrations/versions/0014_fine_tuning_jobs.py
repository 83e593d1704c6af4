"""Uploaded training files, fine-tuning jobs and their events."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "trainingfile",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("domain", sa.String(64), nullable=False, index=True),
        _needed("owner", sa.String),
        _needed("filename", sa.String),
        _needed("purpose", sa.String(32)),
        _needed("bytes", sa.BigInteger),
        _needed("digest", sa.String(71)),
        _needed("rows", sa.Integer),
        _needed("created_at", _TIME),
        sa.Column("expires_at", _TIME, index=True),
    )
    op.create_table(
        "trainingjob",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("domain", sa.String(64), nullable=False, index=True),
        _needed("adapter", sa.String(64)),
        _needed("owner", sa.String),
        sa.Column("scope", sa.JSON),
        _needed("made_with", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        _needed("model", sa.String),
        sa.Column("training_file", sa.String(40), nullable=False, index=True),
        sa.Column("validation_file", sa.String(40), index=True),
        _needed("seed", sa.BigInteger),
        _needed("options", sa.JSON),
        _needed("remarks", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("fine_tuned_model", sa.String),
        _needed("metrics", sa.JSON),
        _needed("step", sa.Integer),
        _needed("steps", sa.Integer),
        _needed("crashes", sa.Integer),
        _needed("created_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("estimated_finish", _TIME),
        sa.Column("claimed_by", sa.String(32)),
        sa.Column("claimed_until", _TIME),
    )
    op.create_table(
        "trainingevent",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job", sa.String(40), nullable=False, index=True),
        _needed("at", _TIME),
        _needed("level", sa.String(8)),
        _needed("kind", sa.String(16)),
        _needed("message", sa.String),
        _needed("data", sa.JSON),
    )


def downgrade() -> None:
    for table in ("trainingevent", "trainingjob", "trainingfile"):
        op.drop_table(table)


def _needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)
