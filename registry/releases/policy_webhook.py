"""The webhook that a policy names: one that an admin gave the domain."""

from __future__ import annotations

from postil.registry.db.database import Database
from postil.registry.db.safety_tables import Webhook
from postil.registry.errors import PolicyError
from postil.registry.policy.old_forms import refuse_url
from postil.registry.policy.policy import Policy


def check_webhook(database: Database, domain: str, policy: Policy) -> None:
    """Raise PolicyError unless the webhook that a policy names, if it names one, is one of the domain's."""
    name = policy.reviews.webhook
    refuse_url(name)
    if name is None:
        return
    with database.read() as session:
        webhook = session.get(Webhook, name)
    if webhook is None or domain not in webhook.domains:
        raise PolicyError(
            f"policy: {domain} has no webhook {name}; let an admin add it with"
            f" `postil webhooks add {name} URL --domain {domain}`"
        )
