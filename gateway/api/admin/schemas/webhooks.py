"""Responses about webhooks."""

from __future__ import annotations

import msgspec

from postil.gateway.api.admin.schemas.times import stamp, stamp_or_none
from postil.gateway.control.webhooks import DeliveryResult
from postil.gateway.tenancy.directory import Caller
from postil.registry.db import safety_tables as tables


class Webhook(msgspec.Struct, kw_only=True):
    """A webhook, by the name that policies use. ``domains`` are those of the key.

    ``url`` and what follows is for admins only, and null for others. ``overlap_until`` is when the previous secret, if
    there is one, stops signing.
    """

    name: str
    domains: list[str]
    url: str | None
    allow_private: bool | None
    created: str | None
    overlap_until: str | None


class WebhookPage(msgspec.Struct, kw_only=True):
    """Webhooks by name."""

    data: list[Webhook]
    next: str | None


class NewWebhook(Webhook, kw_only=True):
    """A webhook with its new secret, which is not shown again."""

    secret: str


class WebhookTest(msgspec.Struct, kw_only=True):
    """Whether a test message was accepted; the status of the answer, or the problem if there was none."""

    accepted: bool
    status: int | None
    problem: str | None


def show_webhook(row: tables.Webhook, caller: Caller) -> Webhook:
    """Convert a webhook; drops what the key may not see."""
    if not caller.admin:
        domains = [domain for domain in row.domains if caller.scope is None or domain in caller.scope]
        return Webhook(name=row.name, domains=domains, url=None, allow_private=None, created=None, overlap_until=None)
    return Webhook(
        name=row.name,
        domains=row.domains,
        url=row.url,
        allow_private=row.allow_private,
        created=stamp(row.created_at),
        overlap_until=stamp_or_none(row.previous_until),
    )


def show_new_webhook(row: tables.Webhook) -> NewWebhook:
    """Convert a webhook whose secret is new."""
    return NewWebhook(
        name=row.name,
        domains=row.domains,
        url=row.url,
        allow_private=row.allow_private,
        created=stamp(row.created_at),
        overlap_until=stamp_or_none(row.previous_until),
        secret=row.secret,
    )


def show_test(result: DeliveryResult) -> WebhookTest:
    """Convert the result of a test message."""
    return WebhookTest(accepted=result.accepted, status=result.status, problem=result.problem)
