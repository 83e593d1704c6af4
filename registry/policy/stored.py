"""Policies as the registry stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.registry.errors import PolicyError
from postil.registry.policy.digest import digest_of
from postil.registry.policy.policy import Policy, policy_from


def stored_policy(values: Mapping[str, Any], digest: str) -> Policy:
    """A policy as the registry stores it. Raises PolicyError if it is not the one that the digest was made of."""
    if digest_of(values) != digest:
        raise PolicyError(
            "policy: what the database holds is not what was published; compare it with a backup, and publish again"
        )
    return policy_from(values)
