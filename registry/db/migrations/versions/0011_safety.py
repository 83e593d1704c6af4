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
_TENANT = sa.table(
    "tenant",
    sa.column("name", sa.String),
    sa.column("created_at", _TIME),
    sa.column("uid", sa.String),
    sa.column("rights", sa.JSON),
    sa.column("refused_at", _TIME),
)
_REVIEW = sa.table(
    "review",
    sa.column("tenant", sa.String),
    sa.column("created_at", _TIME),
    sa.column("tenant_uid", sa.String),
)
_RELEASE = sa.table("release", sa.column("yanked_at", _TIME))
_DOMAIN = sa.table("domain", sa.column("frozen_at", _TIME))


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index("ix_review_tenant_uid", "review", ["tenant_uid"])
    op.create_index("ix_review_keep_until", "review", ["keep_until"])
    _create_tables()
    _name_tenants()


def downgrade() -> None:
    """Version 0010 knows no one who is refused and nothing that is taken back: it would serve them all again."""
    _refuse_if_something_is_taken_back()
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
    """Give each tenant an id, and its reviews the same; a review from before the tenant is of one that was removed."""
    connection = op.get_bind()
    for name, since in connection.execute(sa.select(_TENANT.c.name, _TENANT.c.created_at)).fetchall():
        uid = secrets.token_hex(16)
        connection.execute(_TENANT.update().where(_TENANT.c.name == name).values(uid=uid))
        its_own = (_REVIEW.c.tenant == name) & (_REVIEW.c.created_at >= since)
        connection.execute(_REVIEW.update().where(its_own).values(tenant_uid=uid))


def _refuse_if_something_is_taken_back() -> None:
    rights = op.get_bind().scalars(sa.select(_TENANT.c.rights)).all()
    found = {
        "yanked releases": _count(_RELEASE.c.yanked_at),
        "frozen domains": _count(_DOMAIN.c.frozen_at),
        "refused tenants": _count(_TENANT.c.refused_at),
        "tenants without the right to the base": sum("base" not in each for each in rights),
    }
    there = ", ".join(f"{what}: {number}" for what, number in found.items() if number)
    if there:
        raise RuntimeError(
            f"version 0010 would serve again what is taken back ({there}); use `postil unyank`, `postil domains"
            " unfreeze`, `postil tenants admit` or `postil tenants rights` first, or go back by a backup"
        )


def _count(column: sa.ColumnClause[Any]) -> int:
    return op.get_bind().scalar(sa.select(sa.func.count(column))) or 0


def _text(name: str, length: int | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")
