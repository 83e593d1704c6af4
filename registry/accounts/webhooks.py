"""Webhooks: an admin's objects that policies name. Each has its own URL, domains and secrets.

The secret is kept as it is, because every message is signed with it; it is shown once, and stands in no event.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, check_limit, page_of
from postil.registry.db.safety_tables import Webhook
from postil.registry.db.tables import utcnow
from postil.registry.errors import ConflictError, NotFoundError, WebhookError
from postil.registry.names import parse_domain
from postil.registry.text import kept_line

# As Standard Webhooks writes a secret: this, and the base64 of 24 to 64 bytes.
SECRET_MARK = "whsec_"  # noqa: S105 - no secret, but what each begins with
_SECRET_BYTES = 32
LONGEST_OVERLAP = timedelta(days=30)
_MAX_URL = 2000
_BY_NAME = Order("webhooks", [(col(Webhook.name), str)])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a message goes: the URL, and the secrets that sign it now, the newest first."""

    name: str
    url: str
    secrets: Sequence[str]
    allow_private: bool


def add_webhook(
    database: Database, name: str, url: str, domains: Sequence[str], *, allow_private: bool = False, actor: str
) -> Webhook:
    """Add a webhook with a new secret. Raises NameInvalidError, WebhookError or ConflictError."""
    webhook = Webhook(
        name=parse_domain(name),
        url=checked_url(url, allow_private=allow_private),
        domains=sorted({parse_domain(each) for each in domains}),
        secret=_new_secret(),
        allow_private=allow_private,
    )
    if not webhook.domains:
        raise WebhookError("a webhook is told of decisions of given domains; name at least one")
    with database.write() as session:
        store.lock_for_writing(session)
        if session.get(Webhook, webhook.name) is not None:
            raise ConflictError(f"webhook {name} exists already; remove it first, or choose another name")
        session.add(webhook)
        _record(session, webhook, "webhook-add", actor, domains=webhook.domains, allow_private=allow_private)
    return webhook


def remove_webhook(database: Database, name: str, *, actor: str) -> None:
    """Remove a webhook; what waits for it stays undelivered. Raises NotFoundError."""
    with database.write() as session:
        store.lock_for_writing(session)
        webhook = _found(session, name)
        session.delete(webhook)
        _record(session, webhook, "webhook-remove", actor)


def rotate_secret(database: Database, name: str, overlap: timedelta, *, actor: str) -> Webhook:
    """Give a webhook a new secret; for ``overlap`` every message is signed with the old one too.

    Raises NotFoundError or WebhookError.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise WebhookError(f"the overlap must be between 0 and {LONGEST_OVERLAP.days} days; give one such as 24h")
    with database.write() as session:
        store.lock_for_writing(session)
        webhook = _found(session, name)
        webhook.previous_secret, webhook.previous_until = webhook.secret, utcnow() + overlap
        webhook.secret = _new_secret()
        session.add(webhook)
        _record(session, webhook, "webhook-rotate", actor, until=webhook.previous_until.isoformat())
        return webhook


def list_webhooks(
    database: Database,
    domains: Collection[str] | None = None,
    *,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Webhook]:
    """List the webhooks by name: all, or those of any of some domains. Raises PagingError."""
    check_limit(limit)
    with database.read() as session:
        rows = session.exec(select(Webhook).order_by(col(Webhook.name))).all()
    theirs = [row for row in rows if domains is None or set(domains) & set(row.domains)]
    return page_of(theirs, _BY_NAME, after, limit, lambda row: [row.name])


def endpoint(database: Database, name: str) -> Endpoint:
    """The endpoint of a webhook, whatever its domains. Raises NotFoundError."""
    with database.read() as session:
        return _endpoint(_found(session, name))


def endpoint_for(database: Database, wanted: str, domain: str) -> Endpoint | None:
    """The endpoint that a domain's policy names, or None if the domain has no such webhook.

    Releases from before webhooks had names say a URL: it stands for the webhook of the domain that has it.
    """
    with database.read() as session:
        if "://" in wanted:
            rows: Sequence[Webhook] = session.exec(
                select(Webhook).where(Webhook.url == wanted).order_by(col(Webhook.name))
            ).all()
        else:
            found = session.get(Webhook, wanted)
            rows = [] if found is None else [found]
    return next((_endpoint(row) for row in rows if domain in row.domains), None)


def checked_url(url: str, *, allow_private: bool) -> str:
    """``url`` itself. Raises WebhookError if nothing may be posted there."""
    kept_line(url, "URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise WebhookError("the URL cannot be read; write one such as https://host/path") from error
    if parts.scheme not in ("http", "https") or not host or len(url) > _MAX_URL or " " in url:
        raise WebhookError(f"the URL has to be https://host/path, of {_MAX_URL} characters at most")
    if "@" in parts.netloc or parts.fragment:
        raise WebhookError("the URL holds a name, a password or a fragment; leave it out: messages are signed instead")
    if parts.scheme == "http" and not allow_private:
        raise WebhookError("the URL has to be https://, as answers are sent there; http:// takes --allow-private")
    return url


def _new_secret() -> str:
    return SECRET_MARK + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _endpoint(row: Webhook) -> Endpoint:
    overlaps = row.previous_until is not None and row.previous_until > utcnow()
    previous = [row.previous_secret] if overlaps and row.previous_secret else []
    return Endpoint(row.name, row.url, (row.secret, *previous), row.allow_private)


def _found(session: Session, name: str) -> Webhook:
    webhook = session.get(Webhook, name)
    if webhook is None:
        raise NotFoundError(f"there is no webhook {name[:64]!r}; see `postil webhooks list`")
    return webhook


def _record(session: Session, webhook: Webhook, action: str, actor: str, **details: Any) -> None:
    """Of the URL only the host is in the event: a path can be a secret."""
    host = urlsplit(webhook.url).hostname
    store.record(
        session, actor=actor, action=action, subject=webhook.name, reason="", details={"host": host, **details}
    )
