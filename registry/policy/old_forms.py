"""What policies of earlier versions say, and which is refused in one that is published now."""

from __future__ import annotations

from collections.abc import Mapping

from postil.registry.errors import PolicyError


def refuse_old_forms(values: object) -> None:
    """Refuse a policy's plain values that are written as in an earlier version. Raises PolicyError."""
    reviews = values.get("reviews") if isinstance(values, Mapping) else None
    if not isinstance(reviews, Mapping):
        return
    if "sample" in reviews:
        raise PolicyError("policy: reviews.sample is now called reviews.audit_percent; rename it")
    refuse_url(reviews.get("webhook"))


def refuse_url(webhook: object) -> None:
    """Raise PolicyError if a policy says where decisions are posted, which is an admin's to say."""
    if isinstance(webhook, str) and "://" in webhook:
        raise PolicyError(
            "policy: reviews.webhook takes a name and no URL; let an admin add it with"
            " `postil webhooks add NAME URL --domain DOMAIN`, and write the name"
        )
