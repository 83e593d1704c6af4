"""Which versions of its plugins a release was published with; they are part of what a release is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NAME = "release_identity"
_BEFORE = ["domain", "adapter", "artifact", "base_revision", "policy_digest"]
# SQLite gave the constraint of 0001 no name; the batch that copies the table gives it this one.
_OLD_NAME = "uq_release_" + "_".join(_BEFORE)
_NAMED = {"uq": "uq_%(table_name)s_%(column_0_N_name)s"}


def upgrade() -> None:
    with op.batch_alter_table("release", naming_convention=_NAMED) as release:
        release.add_column(sa.Column("components", sa.JSON))
        release.add_column(sa.Column("components_digest", sa.String(71), nullable=False, server_default=""))
        release.drop_constraint(_name_of(_BEFORE), type_="unique")
        release.create_unique_constraint(_NAME, [*_BEFORE, "components_digest"])


def downgrade() -> None:
    """Releases that differ in nothing else would be one and the same."""
    same = ", ".join(_BEFORE)
    if op.get_bind().execute(sa.text(f"SELECT 1 FROM release GROUP BY {same} HAVING count(*) > 1")).first():  # noqa: S608
        raise RuntimeError(
            "there are releases that differ in the versions of their plugins alone, which version 0008 cannot tell"
            " apart; go back by a backup"
        )
    with op.batch_alter_table("release", naming_convention=_NAMED) as release:
        release.drop_constraint(_NAME, type_="unique")
        release.create_unique_constraint(_OLD_NAME, _BEFORE)
        release.drop_column("components_digest")
        release.drop_column("components")


def _name_of(columns: list[str]) -> str:
    """What a constraint is called here: PostgreSQL chose a name of its own."""
    found = sa.inspect(op.get_bind()).get_unique_constraints("release")
    return next((one["name"] for one in found if one["column_names"] == columns), None) or _OLD_NAME
