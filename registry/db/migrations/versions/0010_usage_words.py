"""Usage in the words of its readers: a policy's second request is a ``retry``; what has no counts is ``uncounted``."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_KIND = sa.table("usage", sa.column("kind", sa.String))


def upgrade() -> None:
    op.alter_column("usage", "unknown", new_column_name="uncounted")
    _rename("again", "retry")


def downgrade() -> None:
    _rename("retry", "again")
    op.alter_column("usage", "uncounted", new_column_name="unknown")


def _rename(old: str, new: str) -> None:
    op.execute(_KIND.update().where(_KIND.c.kind == old).values(kind=new))
