"""Several keys for each tenant, and keys for those who work on the registry."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TENANT = sa.table(
    "tenant", sa.column("name", sa.String), sa.column("key_hash", sa.String), sa.column("key_prefix", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
)  # fmt: skip


_KEPT = ("owner", "salt", "hash", "prefix", "expires_at", "revoked_at")


def upgrade() -> None:
    key = op.create_table(
        "key",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False, index=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("domains", sa.JSON, nullable=False),
        sa.Column("prefix", sa.String(32), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    connection = op.get_bind()
    rows = [_moved(row) for row in connection.execute(sa.select(_TENANT)).mappings()]
    if rows:
        connection.execute(sa.insert(key), rows)
    with op.batch_alter_table("tenant") as tenant:
        tenant.drop_column("key_hash")
        tenant.drop_column("key_prefix")


def _moved(tenant: Any) -> dict[str, Any]:
    """A tenant's only key, hashed as it was: without a salt. Its id is a part of the hash, which tells nothing."""
    return {
        "id": tenant["key_hash"][:12], "owner": tenant["name"], "role": "tenant", "domains": [],
        "prefix": tenant["key_prefix"], "salt": "", "hash": tenant["key_hash"], "note": "",
        "created_at": tenant["created_at"], "expires_at": None, "revoked_at": None,
    }  # fmt: skip


def downgrade() -> None:
    with op.batch_alter_table("tenant") as tenant:
        # Nothing hashes to its own tenant's name: who has only keys of the new form has none afterwards.
        tenant.add_column(sa.Column("key_hash", sa.String(64), nullable=False, server_default=""))
        tenant.add_column(sa.Column("key_prefix", sa.String(16), nullable=False, server_default=""))
    key = sa.table("key", *(sa.column(name) for name in _KEPT))
    connection = op.get_bind()
    connection.execute(sa.update(_TENANT).values(key_hash=_TENANT.c.name))
    old = sa.select(key).where(key.c.salt == "", key.c.revoked_at.is_(None), key.c.expires_at.is_(None))
    for row in connection.execute(old).mappings().all():
        values = {"key_hash": row["hash"], "key_prefix": row["prefix"]}
        connection.execute(sa.update(_TENANT).where(_TENANT.c.name == row["owner"]).values(values))
    with op.batch_alter_table("tenant") as tenant:
        tenant.alter_column("key_hash", existing_type=sa.String(64), existing_nullable=False, server_default=None)
        tenant.alter_column("key_prefix", existing_type=sa.String(16), existing_nullable=False, server_default=None)
        tenant.create_unique_constraint("tenant_key_hash_key", ["key_hash"])
    op.drop_table("key")
