"""Walls between tenants and domains: yanked releases, frozen domains, evidence by tenant, reviews that expire."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_TENANT = sa.table("tenant", sa.column("name", sa.String), sa.column("uid", sa.String))
_REVIEW = sa.table("review", sa.column("tenant", sa.String), sa.column("tenant_uid", sa.String))


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index("ix_review_tenant_uid", "review", ["tenant_uid"])
    op.create_index("ix_review_keep_until", "review", ["keep_until"])
    _create_tables()
    _name_tenants()


def downgrade() -> None:
    for table in ("webhook", "deniedattempt", "evidence"):
        op.drop_table(table)
    op.drop_index("ix_review_keep_until", "review")
    op.drop_index("ix_review_tenant_uid", "review")
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)


def _added() -> dict[str, list[sa.Column[Any]]]:
    """New columns by table; made anew for each use, as a column belongs to one table once."""
    return {
        "domain": [
            sa.Column("frozen_at", _TIME),
            sa.Column("frozen_by", sa.String(64)),
            _text("frozen_reason"),
            sa.Column("sources", sa.JSON, nullable=False, server_default="[]"),
            sa.Column("quotas", sa.JSON, nullable=False, server_default="{}"),
        ],
        "release": [sa.Column("yanked_at", _TIME), sa.Column("yanked_by", sa.String(64)), _text("yank_reason")],
        "tenant": [
            _text("uid", 32),
            sa.Column("rights", sa.JSON, nullable=False, server_default='["base"]'),
            sa.Column("refused_at", _TIME),
            _text("refused_reason"),
        ],
        "review": [
            _text("tenant_uid", 32),
            sa.Column("keep_until", _TIME),
            sa.Column("conversation", sa.String(64)),
            sa.Column("drawn_by", sa.String(32)),
            sa.Column("probability", sa.Float),
            sa.Column("claimed_until", _TIME),
            sa.Column("decisions", sa.JSON, nullable=False, server_default="[]"),
        ],
    }


def _create_tables() -> None:
    op.create_table(
        "evidence",
        sa.Column("domain", sa.String(64), primary_key=True),
        sa.Column("adapter", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("signal", sa.String(64), primary_key=True),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("bad", sa.BigInteger, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
    )
    op.create_table(
        "deniedattempt",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False, index=True),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_table(
        "webhook",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("domains", sa.JSON, nullable=False),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("previous_secret", sa.String),
        sa.Column("previous_until", _TIME),
        sa.Column("allow_private", sa.Boolean, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )


def _name_tenants() -> None:
    """Give each tenant an id, and its reviews the same: up to here a name meant one tenant."""
    connection = op.get_bind()
    for (name,) in connection.execute(sa.select(_TENANT.c.name)).fetchall():
        uid = secrets.token_hex(16)
        connection.execute(_TENANT.update().where(_TENANT.c.name == name).values(uid=uid))
        connection.execute(_REVIEW.update().where(_REVIEW.c.tenant == name).values(tenant_uid=uid))


def _text(name: str, length: int | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")
