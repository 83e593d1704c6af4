"""All SQL of the registry. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import and_, func, text, tuple_
from sqlmodel import Session, col, select

from postil.plugins.hookspecs import PROJECT
from postil.registry.db import audit_chain as audit
from postil.registry.db.canary_tables import CanarySteps
from postil.registry.db.tables import Agreement, Channel, Domain, Event, Key, Pin, Release, Tenant, utcnow
from postil.registry.names import AdapterName
from postil.registry.text import kept_line, kept_lines

AdapterRow = TypeVar("AdapterRow", Release, Channel, Pin)


class Move(NamedTuple):
    """An event that moved or collected a release: its subject, action, and release before and after."""

    subject: str
    action: str
    before: int | None
    after: int | None


# Any number will do, so long as nothing else in the database uses it.
_WRITER_LOCK = 0x706F7374
# Where PostgreSQL announces that there are new events.
CHANNEL = "postil"


def lock_for_writing(session: Session) -> None:
    """Let one writer in at a time. SQLite's transactions are begun that way already."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})


def adapters(session: Session) -> list[AdapterName]:
    """Every adapter that has a release, in order."""
    rows = session.exec(select(Release.domain, Release.adapter).distinct()).all()
    return sorted(AdapterName(domain, adapter) for domain, adapter in rows)


def releases(session: Session, name: AdapterName) -> Sequence[Release]:
    """All releases of an adapter, oldest first."""
    return session.exec(
        select(Release)
        .where(Release.domain == name.domain, Release.adapter == name.adapter)
        .order_by(col(Release.number))
    ).all()


def of_adapters(
    session: Session, table: type[AdapterRow], names: Collection[AdapterName] | None
) -> Sequence[AdapterRow]:
    """The rows of a table that belong to these adapters, or to all (None); in no order."""
    query = select(table)
    return session.exec(query if names is None else query.where(_are_of(table, names))).all()


def channels_with_steps(
    session: Session, names: Collection[AdapterName] | None
) -> Sequence[tuple[Channel, CanarySteps | None]]:
    """The channels of these adapters, or of all (None), each with its adapter's steps; in no order."""
    same = and_(col(Channel.domain) == col(CanarySteps.domain), col(Channel.adapter) == col(CanarySteps.adapter))
    query = select(Channel, CanarySteps).join(CanarySteps, same, isouter=True)
    # sqlmodel's types do not know that the right side of an outer join may be missing.
    found: Any = session.exec(query if names is None else query.where(_are_of(Channel, names))).all()
    return cast(Sequence[tuple[Channel, CanarySteps | None]], found)


def _are_of(table: type[AdapterRow], names: Collection[AdapterName]) -> Any:
    named = tuple_(col(table.domain), col(table.adapter))
    return named.in_([(name.domain, name.adapter) for name in names])


def release(session: Session, name: AdapterName, number: int) -> Release | None:
    """One release by its number."""
    return session.exec(
        select(Release).where(Release.domain == name.domain, Release.adapter == name.adapter, Release.number == number)
    ).one_or_none()


def yanked(session: Session, name: AdapterName) -> set[int]:
    """The yanked releases of an adapter, by number."""
    query = select(Release.number).where(Release.domain == name.domain, Release.adapter == name.adapter)
    return set(session.exec(query.where(col(Release.yanked_at).is_not(None))).all())


def same_release(session: Session, candidate: Release) -> Release | None:
    """The release that already holds the same artifact, base and policy, and was published with the same plugins.

    One of which nothing is recorded is the same if its validators' versions are, and nothing in it was installed.
    """
    found = session.exec(
        select(Release).where(
            Release.domain == candidate.domain,
            Release.adapter == candidate.adapter,
            Release.artifact == candidate.artifact,
            Release.base_revision == candidate.base_revision,
            Release.policy_digest == candidate.policy_digest,
            col(Release.components_digest).in_((candidate.components_digest, "")),
        )
    ).all()
    exact = [row for row in found if row.components_digest == candidate.components_digest]
    builtin = all(one["distribution"] == PROJECT for one in candidate.components or ())
    unknown = [row for row in found if builtin and row.validators == candidate.validators]
    return next(iter(exact or unknown), None)


def next_number(session: Session, name: AdapterName) -> int:
    """The number that the next release of this adapter gets."""
    highest = session.exec(
        select(func.max(Release.number)).where(Release.domain == name.domain, Release.adapter == name.adapter)
    ).one()
    return (highest or 0) + 1


def channel(session: Session, name: AdapterName, which: str = "stable") -> Channel | None:
    """A channel of this adapter."""
    return session.get(Channel, (name.domain, name.adapter, which))


def canary_steps(session: Session, name: AdapterName) -> CanarySteps | None:
    """The steps of this adapter's canary, whether they still hold or not."""
    return session.get(CanarySteps, (name.domain, name.adapter))


def canary_steps_of(session: Session, domain: str) -> Sequence[CanarySteps]:
    """The steps of a domain's canaries, whether they still hold or not, by adapter."""
    query = select(CanarySteps).where(CanarySteps.domain == domain)
    return session.exec(query.order_by(col(CanarySteps.adapter))).all()


def channels(session: Session) -> Sequence[Channel]:
    """The channels of all adapters."""
    return session.exec(select(Channel)).all()


def pins(session: Session, tenant: str | None = None) -> Sequence[Pin]:
    """Who is pinned to which release: of one tenant, or all; in the order of the tenants."""
    query = select(Pin).order_by(col(Pin.tenant))
    return session.exec(query if tenant is None else query.where(Pin.tenant == tenant)).all()


def agreements(session: Session, name: AdapterName) -> Sequence[Agreement]:
    """The agreement counts of an adapter's shadows, the newest shadow first."""
    return session.exec(
        select(Agreement)
        .where(Agreement.domain == name.domain, Agreement.adapter == name.adapter)
        .order_by(col(Agreement.shadow).desc(), col(Agreement.answered).desc())
    ).all()


def domains(session: Session) -> Sequence[Domain]:
    """All domains."""
    return session.exec(select(Domain).order_by(col(Domain.name))).all()


def default_adapters(session: Session) -> dict[str, str]:
    """Each domain's default adapter. Read with every change of any adapter, so without an object for each row."""
    return dict(session.exec(select(Domain.name, Domain.default_adapter)).all())


def tenants(session: Session) -> Sequence[Tenant]:
    """All tenants by name."""
    return session.exec(select(Tenant).order_by(col(Tenant.name))).all()


def hold_tenants(session: Session, names: Collection[str]) -> dict[str, str]:
    """The ids, by name, of those of ``names`` that are there; none of them is removed before this transaction ends."""
    query = select(Tenant.name, Tenant.uid).where(col(Tenant.name).in_(names)).order_by(col(Tenant.name))
    return dict(session.exec(query.with_for_update(read=True, key_share=True)).all())


def keys(session: Session, owner: str | None = None, role: str | None = None) -> Sequence[Key]:
    """All keys, or those of one owner or role, the oldest first; those that are no longer in force too."""
    query = select(Key).order_by(col(Key.created_at), col(Key.id))
    if owner is not None:
        query = query.where(Key.owner == owner)
    return session.exec(query if role is None else query.where(Key.role == role)).all()


def keys_of(session: Session, owners: Collection[str], role: str) -> Sequence[Key]:
    """The keys of some owners with one role, the oldest first."""
    query = select(Key).where(col(Key.owner).in_(owners), Key.role == role)
    return session.exec(query.order_by(col(Key.created_at), col(Key.id))).all()


def events(session: Session, subject: str | None = None, actions: Collection[str] | None = None) -> Sequence[Event]:
    """The log in order: all of it, or one adapter's, or only those of its events that are of some kinds."""
    query = select(Event).order_by(col(Event.sequence))
    if actions is not None:
        query = query.where(col(Event.action).in_(actions))
    return session.exec(query if subject is None else query.where(Event.subject == subject)).all()


def newest_events(session: Session, subject: str, limit: int) -> Sequence[Event]:
    """The last ``limit`` events about a subject, in order."""
    query = select(Event).where(Event.subject == subject).order_by(col(Event.sequence).desc()).limit(limit)
    return session.exec(query).all()[::-1]


def moves(session: Session, actions: Collection[str], names: Collection[AdapterName] | None = None) -> Sequence[Move]:
    """What moved these adapters' releases, or all adapters', in order; without an object for each row."""
    query = select(Event.subject, Event.action, Event.before, Event.after).where(col(Event.action).in_(actions))
    if names is not None:
        query = query.where(col(Event.subject).in_([str(name) for name in names]))
    return [Move(*row) for row in session.exec(query.order_by(col(Event.sequence)))]


def last_event(session: Session, subject: str, actions: Collection[str]) -> Event | None:
    """The newest event of these kinds about a subject."""
    query = select(Event).where(Event.subject == subject, col(Event.action).in_(actions))
    return session.exec(query.order_by(col(Event.sequence).desc()).limit(1)).one_or_none()


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    reason: str,
    before: int | None = None,
    after: int | None = None,
    details: Mapping[str, Any] | None = None,
    remark: bool = False,
) -> Event:
    """Append one event to the chain. The caller holds the writers' lock.

    A ``remark`` is a reason that may have several lines. Raises TextError.
    """
    last = session.exec(select(Event).order_by(col(Event.sequence).desc()).limit(1)).one_or_none()
    event = Event(
        sequence=last.sequence + 1 if last else 1,
        at=utcnow(),
        actor=kept_line(actor, "name of who did it"),
        action=action,
        subject=subject,
        reason=(kept_lines if remark else kept_line)(reason, "reason"),
        before=before,
        after=after,
        details=dict(details or {}),
        previous=last.hash if last else audit.GENESIS,
        hash="",
    )
    session.add(audit.seal(event))
    _announce(session)
    return event


def events_after(session: Session, sequence: int, limit: int | None = None) -> Sequence[Event]:
    """The events beyond one, in order; the first ``limit`` of them."""
    query = select(Event).where(col(Event.sequence) > sequence).order_by(col(Event.sequence))
    return session.exec(query.limit(limit)).all()


def event_rows(session: Session, sequence: int | None, limit: int) -> Sequence[Event]:
    """As ``events_after``, as plain rows: ten times as fast as objects, for who reads the whole log.

    None begins with the first row, whatever number it was given.
    """
    query = select(*Event.__table__.columns).order_by(col(Event.sequence))  # type: ignore[attr-defined]
    if sequence is not None:
        query = query.where(col(Event.sequence) > sequence)
    return cast("Sequence[Event]", session.execute(query.limit(limit)).all())


def newest_hash(session: Session) -> tuple[int, str] | None:
    """The sequence number and the hash of the last event, or None if there is none."""
    query = select(Event.sequence, Event.hash).order_by(col(Event.sequence).desc()).limit(1)
    last = session.exec(query).one_or_none()
    return None if last is None else (last[0], last[1])


def newest(session: Session) -> int:
    """The sequence number of the last event, 0 if there is none."""
    return session.exec(select(func.max(Event.sequence))).one() or 0


def _announce(session: Session) -> None:
    """Notify listeners (``change_feed.py``) when, and only if, the transaction commits."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_notify(CHANNEL, "")))
