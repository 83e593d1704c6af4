"""Finds the policy that a publish without one takes."""

from __future__ import annotations

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Policy
from postil.registry.policy.stored import stored_policy


def policy_in_force(database: Database, name: AdapterName) -> Policy:
    """The policy of the live release, else of the newest that is not yanked, else, of a new adapter, an empty one.

    Raises ConflictError if all are yanked.
    """
    with database.read() as session:
        known, stable = store.releases(session, name), store.channel(session, name)
    if not known:
        return Policy()
    good = [release for release in known if release.yanked_at is None]
    if not good:
        raise ConflictError(f"all releases of {name} were yanked, and their policies with them; name a policy")
    live = [release for release in good if stable and release.number == stable.number]
    source = (live or good)[-1]
    return stored_policy(source.policy, source.policy_digest)
