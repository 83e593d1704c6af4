"""The tables. Times are aware and in UTC; every text that a person wrote is stored as written."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, UniqueConstraint
from sqlmodel import Field, SQLModel


def utcnow() -> datetime:
    """Now, in UTC; to the microsecond, which is what both SQLite and PostgreSQL keep."""
    return datetime.now(UTC)


def new_tenant_id() -> str:
    """An id that no tenant had before."""
    return secrets.token_hex(16)


class Domain(SQLModel, table=True):
    """A field that a team owns, and the adapter that answers for it by default."""

    name: str = Field(primary_key=True, max_length=64)
    default_adapter: str = Field(max_length=64)
    # While it is frozen nothing of it is published or moved, other than back.
    frozen_at: datetime | None = None
    frozen_by: str | None = Field(default=None, max_length=64)
    frozen_reason: str = Field(default="", sa_column_kwargs={"server_default": ""})
    # What publishers may fetch with the gateway's own token: ``["hf://org/*"]``.
    sources: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    # What it may keep: ``{"releases": 500, "artifact_mib": 4096, "review_days": 90}``; unset, the settings hold.
    quotas: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))


class Release(SQLModel, table=True):
    """Immutable: an artifact, the base it was made for, and the policy it answers by."""

    __table_args__ = (
        UniqueConstraint("domain", "adapter", "number"),
        UniqueConstraint(
            "domain",
            "adapter",
            "artifact",
            "base_revision",
            "policy_digest",
            "components_digest",
            name="release_identity",
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    domain: str = Field(max_length=64, index=True)
    adapter: str = Field(max_length=64)
    number: int
    artifact: str = Field(max_length=71)
    base_id: str
    base_revision: str = Field(max_length=71)
    policy: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    policy_digest: str = Field(max_length=71)
    validators: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    # The versions of all plugins that the policy names; None, with an empty digest, for releases from before 0009.
    components: list[dict[str, str]] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    components_digest: str = Field(default="", max_length=71, sa_column_kwargs={"server_default": ""})
    # What was fitted when the adapter was evaluated, and its validators go by: ``{"temperature": 1.6}``.
    calibration: dict[str, float] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    # Where the files came from, if not from an upload: ``hf://org/name@<commit>``.
    source: str = ""
    warnings: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    note: str
    actor: str
    created_at: datetime = Field(default_factory=utcnow)
    # A yanked release is harmful: not served, not promoted, no fallback.
    yanked_at: datetime | None = None
    yanked_by: str | None = Field(default=None, max_length=64)
    yank_reason: str = Field(default="", sa_column_kwargs={"server_default": ""})


class Channel(SQLModel, table=True):
    """A mutable pointer of an adapter to a release: ``stable``, ``canary`` or ``shadow``.

    ``number`` is 0 where it points nowhere. ``weight`` is the share of the traffic in per cent: what a canary answers,
    what a shadow gets a copy of. ``revision`` counts the moves, for compare-and-set, and outlives the pointing.
    """

    domain: str = Field(primary_key=True, max_length=64)
    adapter: str = Field(primary_key=True, max_length=64)
    name: str = Field(primary_key=True, max_length=16)
    number: int
    weight: float = 100.0
    revision: int = 1
    moved_at: datetime = Field(default_factory=utcnow)


class Pin(SQLModel, table=True):
    """A tenant that gets one release of an adapter, whatever is live."""

    tenant: str = Field(primary_key=True, max_length=64)
    domain: str = Field(primary_key=True, max_length=64)
    adapter: str = Field(primary_key=True, max_length=64)
    number: int
    pinned_at: datetime = Field(default_factory=utcnow)


class Agreement(SQLModel, table=True):
    """How often a shadow said what the release that answered said.

    ``failed`` are copies that got no answer, ``skipped`` those never sent, because enough others were on their way.
    """

    domain: str = Field(primary_key=True, max_length=64)
    adapter: str = Field(primary_key=True, max_length=64)
    answered: int = Field(primary_key=True)
    shadow: int = Field(primary_key=True)
    compared: int = 0
    agreed: int = 0
    failed: int = 0
    skipped: int = 0


class Tenant(SQLModel, table=True):
    """Who calls: the domains it may ask, and the one it gets where it names none. Its keys stand in ``Key``."""

    name: str = Field(primary_key=True, max_length=64)
    domains: list[str] = Field(sa_column=Column(JSON, nullable=False))
    default_domain: str | None = Field(default=None, max_length=64)
    # What it may use: ``{"requests_per_minute": 60}``; what is not named is not limited.
    limits: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utcnow)
    # Its own for ever: another tenant of the same name later is another tenant.
    uid: str = Field(default_factory=new_tenant_id, max_length=32, sa_column_kwargs={"server_default": ""})
    # What it may do beyond asking its domains: ``["base", "grammars", "numbers"]``.
    rights: list[str] = Field(
        default_factory=lambda: ["base"], sa_column=Column(JSON, nullable=False, server_default='["base"]')
    )
    # Since when and why it is refused, in an incident; its keys stay.
    refused_at: datetime | None = None
    refused_reason: str = Field(default="", sa_column_kwargs={"server_default": ""})


class Key(SQLModel, table=True):
    """A key without its secret: whose it is, what it is good for, and until when.

    ``owner`` is the tenant, or the person or machine that works on the registry. ``prefix`` is how the key begins,
    ``hash`` what is kept of it: HMAC-SHA256 with ``salt``, or plain SHA-256 (``salt`` is empty) from before 0005.
    """

    id: str = Field(primary_key=True, max_length=16)
    owner: str = Field(max_length=64, index=True)
    role: str = Field(max_length=16)
    domains: list[str] = Field(sa_column=Column(JSON, nullable=False))
    prefix: str = Field(max_length=32)
    salt: str = Field(max_length=32)
    hash: str = Field(max_length=64)
    note: str = ""
    created_at: datetime = Field(default_factory=utcnow)
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Usage(SQLModel, table=True):
    """What a tenant used of a release on one day (UTC), as the engine counted it; ``number`` is 0 for the base.

    ``kind`` is ``answer``, ``retry`` (a policy asked again) or ``shadow``. ``uncounted`` are those of ``requests``
    that ended before the engine had said what they took.
    """

    day: date = Field(primary_key=True)
    tenant: str = Field(primary_key=True, max_length=64)
    domain: str = Field(primary_key=True, max_length=64)
    adapter: str = Field(primary_key=True, max_length=64)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(primary_key=True, max_length=16)
    requests: int = Field(default=0, sa_type=BigInteger)
    uncounted: int = Field(default=0, sa_type=BigInteger)
    prompt_tokens: int = Field(default=0, sa_type=BigInteger)
    completion_tokens: int = Field(default=0, sa_type=BigInteger)


class Spent(SQLModel, table=True):
    """What all gateways together let a tenant have of its ``requests`` or ``tokens`` in one window of time.

    ``window`` counts the windows of ``seconds`` since 1970.
    """

    tenant: str = Field(primary_key=True, max_length=64)
    what: str = Field(primary_key=True, max_length=16)
    seconds: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    window: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    amount: int = Field(sa_type=BigInteger)


class Writer(SQLModel, table=True):
    """A gateway process that adds to usage, and the last batch of it that was added: none is added twice."""

    name: str = Field(primary_key=True, max_length=32)
    batch: int = Field(sa_type=BigInteger)
    at: datetime = Field(default_factory=utcnow)


class Review(SQLModel, table=True):
    """An answer that a person looks at: what was asked, what the model said, what became of it.

    ``holding`` is what the client got in place of the answer, None where it got the answer. ``status`` is ``open``,
    ``approved``, ``edited`` or ``rejected``; ``final`` is the answer that stands then. ``told`` is when the webhook
    took the decision, ``tries`` how often it was tried, ``next_try`` when it is again. While a gateway is at it, the
    delivery is claimed; one that ends before it has noted how it went loses the claim at ``delivery_claimed_until``.
    """

    id: str = Field(primary_key=True, max_length=32)
    domain: str = Field(max_length=64, index=True)
    adapter: str = Field(max_length=64)
    number: int
    tenant: str = Field(max_length=64)
    request: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    answer: str
    reason: str
    verdicts: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    holding: str | None = None
    status: str = Field(default="open", max_length=16, index=True)
    assigned_to: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    final: str | None = None
    note: str = ""
    created_at: datetime = Field(default_factory=utcnow)
    webhook: str | None = None
    tries: int = 0
    next_try: datetime | None = Field(default=None, index=True)
    told: datetime | None = None
    delivery_claimed_by: str | None = Field(default=None, max_length=32)
    delivery_claimed_until: datetime | None = None
    # The id of the tenant, which another of the same name does not share; empty for reviews from before 0011.
    tenant_uid: str = Field(default="", max_length=32, index=True, sa_column_kwargs={"server_default": ""})
    keep_until: datetime | None = Field(default=None, index=True)
    conversation: str | None = Field(default=None, max_length=64)
    # Why it is looked at (``low_confidence``, ``audit``) and how probable it was that it would be drawn.
    drawn_by: str | None = Field(default=None, max_length=32)
    probability: float | None = None
    # Until when ``assigned_to`` holds it.
    claimed_until: datetime | None = None
    request_id: str = Field(default="", max_length=128, sa_column_kwargs={"server_default": ""})
    # Every decision in order, where several people judge: ``[{"by": ..., "status": ..., "final": ..., "at": ...}]``.
    decisions: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )


class Lease(SQLModel, table=True):
    """A work that one gateway at a time does, up to which ``position`` it is done, and who holds it until when."""

    name: str = Field(primary_key=True, max_length=64)
    holder: str | None = Field(default=None, max_length=32)
    expires_at: datetime
    position: int = Field(default=0, sa_type=BigInteger)


class Event(SQLModel, table=True):
    """One row of the log: who did what to which adapter, why, from where to where. Never changed, never deleted.

    ``hash`` covers this row and ``previous``, the hash of the row before it.
    """

    sequence: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime
    actor: str
    action: str = Field(max_length=32)
    subject: str = Field(index=True)
    reason: str
    before: int | None = None
    after: int | None = None
    # What more there is to say: a canary's weight, a pin's tenant, the figures behind an automatic rollback.
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    previous: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class SigningKey(SQLModel, table=True):
    """A public key whose signatures a domain accepts. A domain that has one takes and loads signed adapters only."""

    domain: str = Field(primary_key=True, max_length=64)
    # SHA-256 of the key's PEM, in hex: by the same value a signature names the key that it was made with.
    fingerprint: str = Field(primary_key=True, max_length=64)
    pem: str
    added_at: datetime = Field(default_factory=utcnow)


class Signature(SQLModel, table=True):
    """A signature over an artifact's files, as it was published in a domain; ``digest`` is the SHA-256 of ``bundle``.

    It is no part of the artifact: the same files signed again, with another key, are the same release.
    """

    domain: str = Field(primary_key=True, max_length=64)
    artifact: str = Field(primary_key=True, max_length=71)
    digest: str = Field(primary_key=True, max_length=64)
    bundle: str
    added_at: datetime = Field(default_factory=utcnow)
