"""API keys: shown once, stored as a salted hash; each change is one transaction with its event.

A key is ``postil_<id>_<secret>``. The id is public: it finds the row and names the key in lists and events. The hash is
then compared in constant time. The secret has 256 random bits, so nobody can guess it and a fast hash is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, select

from postil.registry.accounts.existing import existing_tenant
from postil.registry.db import queries as store
from postil.registry.db.audit_chain import details_of
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Key, utcnow
from postil.registry.errors import ConflictError, KeyRefusedError, NotFoundError
from postil.registry.names import parse_domain
from postil.registry.text import kept_lines

_MARK = "postil"
OLD_MARK = "psk-"
_ROTATE = "key-rotate"
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?")
# Owner names that events use for others: the holder of the admin key file, the gateway, the demo, callers without a
# key, and denied callers that are too many to list.
TAKEN = frozenset({"admin", "postil", "demo", "nobody", "several"})
LONGEST = timedelta(days=3650)


class Role(StrEnum):
    """What a key may be used for."""

    TENANT = "tenant"
    PUBLISHER = "publisher"
    REVIEWER = "reviewer"
    VIEWER = "viewer"
    METRICS = "metrics"
    ADMIN = "admin"


_OLDEST_FIRST = Order("keys", [(col(Key.created_at), datetime), (col(Key.id), str)])
OF_DOMAINS = frozenset({Role.PUBLISHER, Role.REVIEWER})


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key to create: its owner, role, domains and lifetime (None: until it is revoked)."""

    owner: str
    role: Role = Role.TENANT
    domains: Sequence[str] = ()
    lifetime: timedelta | None = None
    note: str = ""


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def parts(key: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key's text, or None if the text is malformed."""
    mark, _, rest = key.partition("_")
    identity, _, secret = rest.partition("_")
    return (identity, secret) if mark == _MARK and identity and secret else None


def salted(salt: bytes, secret: str) -> bytes:
    """Return the stored hash of a secret."""
    return hmac.digest(salt, secret.encode(), "sha256")


def unsalted(key: str) -> str:
    """Return the hash of keys from before 0005 and of the admin key file: SHA-256 of the whole key, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def id_of_old(key: str) -> str:
    """Return the id that 0005 gave to an older key: a part of its hash, which does not reveal the key."""
    return unsalted(key)[:12]


def add_key(database: Database, wanted: KeyRequest, *, actor: str) -> tuple[Key, str]:
    """Add a key; return it with its text, which is not stored. Raises NotFoundError or KeyRefusedError."""
    with database.write() as session:
        store.lock_for_writing(session)
        return issue(session, wanted, actor=actor)


def issue(session: Session, wanted: KeyRequest, *, actor: str) -> tuple[Key, str]:
    """Add a key inside a transaction that holds the write lock."""
    _check(session, wanted)
    key, text = make(wanted)
    session.add(key)
    details = _told(key)
    store.record(
        session, actor=actor, action="key-add", subject=key.owner, reason=key.note, details=details, remark=True
    )
    return key, text


def make(wanted: KeyRequest) -> tuple[Key, str]:
    """Create a key and its text."""
    identity, secret, salt = secrets.token_hex(6), new_secret(), secrets.token_bytes(16)
    now = utcnow()
    key = Key(
        id=identity,
        owner=wanted.owner,
        role=wanted.role.value,
        domains=sorted({parse_domain(each) for each in wanted.domains}),
        prefix=f"{_MARK}_{identity}",
        salt=salt.hex(),
        hash=salted(salt, secret).hex(),
        note=kept_lines(wanted.note, "note"),
        created_at=now,
        expires_at=None if wanted.lifetime is None else now + wanted.lifetime,
    )
    return key, f"{_MARK}_{identity}_{secret}"


def rotate_key(
    database: Database, wanted: str, overlap: timedelta, *, lifetime: timedelta | None = None, actor: str
) -> tuple[Key, Key, str]:
    """Replace a key: return the old key, which stays valid for ``overlap``, the new key, and its text.

    The new key has the old one's lifetime, or ``lifetime``. A key can be replaced only once: the overlap changes its
    expiry, so its original lifetime is lost. Raises NotFoundError, ConflictError if the old key is no longer valid or
    was already replaced, or KeyRefusedError.
    """
    if not timedelta(0) <= overlap <= LONGEST:
        raise KeyRefusedError("the overlap must be between 0 and ten years; give one such as 24h")
    with database.write() as session:
        store.lock_for_writing(session)
        old = _in_force(session, wanted)
        _check_not_replaced(session, old)
        if lifetime is None and old.expires_at is not None:
            lifetime = old.expires_at - old.created_at
        asked = KeyRequest(old.owner, Role(old.role), old.domains, lifetime, old.note)
        _check(session, asked)
        new, text = make(asked)
        until = utcnow() + overlap
        old.expires_at = until if old.expires_at is None else min(until, old.expires_at)
        session.add(old)
        session.add(new)
        store.record(
            session,
            actor=actor,
            action=_ROTATE,
            subject=old.owner,
            reason="",
            details={**_told(new), "replaces": old.id, "until": old.expires_at.isoformat()},
        )
        return old, new, text


def revoke_key(database: Database, wanted: str, *, reason: str = "", actor: str) -> Key:
    """Revoke a key at once. Raises NotFoundError, or ConflictError if it is already revoked."""
    with database.write() as session:
        store.lock_for_writing(session)
        key = _found(session, wanted)
        if key.revoked_at is not None:
            raise ConflictError(f"key {key.id} was revoked at {_minute(key.revoked_at)} (UTC) already")
        _revoke(session, key, reason=reason, actor=actor)
        return key


def revoke_all(session: Session, tenant: str, *, reason: str, actor: str) -> None:
    """Revoke every key of a tenant."""
    for key in store.keys(session, tenant, Role.TENANT.value):
        if key.revoked_at is None:
            _revoke(session, key, reason=reason, actor=actor)


def list_keys(
    database: Database,
    owner: str | None = None,
    *,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Key]:
    """List all keys, or those of one owner, oldest first. Raises PagingError."""
    query = select(Key) if owner is None else select(Key).where(Key.owner == owner)
    with database.read() as session:
        return page(session, query, _OLDEST_FIRST, after, limit)


def in_force(key: Key, now: datetime) -> bool:
    """Return whether a key is valid at a given time."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def _revoke(session: Session, key: Key, *, reason: str, actor: str) -> None:
    key.revoked_at = utcnow()
    session.add(key)
    store.record(
        session,
        actor=actor,
        action="key-revoke",
        subject=key.owner,
        reason=reason,
        details={"key": key.id, "role": key.role},
    )


def _check(session: Session, wanted: KeyRequest) -> None:
    """Check that the key may be created. Raises NotFoundError or KeyRefusedError."""
    if wanted.lifetime is not None and not timedelta(0) < wanted.lifetime <= LONGEST:
        raise KeyRefusedError("a key must expire in the future and within ten years; give a time such as 90d")
    if wanted.role in OF_DOMAINS and not wanted.domains:
        raise KeyRefusedError(f"a {wanted.role} works on given domains; name at least one")
    if wanted.role not in OF_DOMAINS and wanted.domains:
        raise KeyRefusedError(f"a key of the role {wanted.role} is not bound to domains; leave them out")
    if wanted.role is Role.TENANT:
        existing_tenant(session, wanted.owner)
    elif not _OWNER.fullmatch(wanted.owner) or wanted.owner.lower() in TAKEN:
        raise KeyRefusedError(
            f"{wanted.owner[:64]!r} cannot own a key; name a person or a machine, in letters, digits and . _ @ + -,"
            f" and not {', '.join(sorted(TAKEN))}"
        )


def _told(key: Key) -> dict[str, Any]:
    """Return a key's details for an event, without its secret and its hash."""
    expires = key.expires_at.isoformat() if key.expires_at else None
    return {"key": key.id, "role": key.role, "domains": key.domains, "expires": expires}


def _found(session: Session, wanted: str) -> Key:
    key = session.get(Key, wanted)
    if key is None:
        raise NotFoundError(f"there is no key {wanted[:16]!r}; see `postil keys list`")
    return key


def _in_force(session: Session, wanted: str) -> Key:
    key = _found(session, wanted)
    if not in_force(key, utcnow()):
        raise ConflictError(f"key {key.id} is no longer in force; add another one with `postil keys add`")
    return key


def _check_not_replaced(session: Session, key: Key) -> None:
    for event in store.events(session, key.owner, [_ROTATE]):
        details = details_of(event)
        if details.get("replaces") == key.id:
            raise ConflictError(f"key {key.id} was replaced by {details.get('key')} already; rotate that one")


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
