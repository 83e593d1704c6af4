"""Verifies the log: that its chain holds, that it still has a head kept elsewhere, that the tables are what it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.audit_chain import GENESIS, Chain
from postil.registry.db.database import Database
from postil.registry.db.safety_tables import Webhook
from postil.registry.db.tables import Channel, Key, Pin, Release, SigningKey
from postil.registry.policy.digest import digest_of
from postil.registry.releases.channels import STABLE
from postil.registry.releases.published import PUBLISHED
from postil.registry.releases.replay import Replay

# So many events are in memory at a time, where nothing else is said.
CHUNK = 2000
# So many differences are named.
_MOST = 1000
_NOT_IN_THE_LOG = "and no event says so"


class Head(NamedTuple):
    """The end of the log: its last event's sequence number and hash; 0 and zeros for an empty log."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Report:
    """How many events there are, where the chain breaks (or None), and each difference between the log and the tables.

    ``has_head`` says whether the log has the head that was asked for; None if none was.
    """

    events: int
    first_break: int | None
    differences: list[str]
    has_head: bool | None = None


def head(database: Database) -> Head:
    """The end of the log, to be kept where who writes to the database cannot."""
    with database.read() as session:
        last = store.newest_hash(session)
    return Head(*last) if last else Head(0, GENESIS)


def verify(database: Database, kept: Head | None = None, *, chunk: int = CHUNK) -> Report:
    """Verify the log and the tables, and that the log has a head that was kept.

    The log is read in transactions of ``chunk`` events: rows are never changed, so that these fit together. The last
    ones are read with the tables, so that a change meanwhile makes no difference.
    """
    chain, replay, read = Chain(), Replay(), None
    has_head = None if kept is None else kept == Head(0, GENESIS)
    while True:
        with database.read() as session:
            events = store.event_rows(session, read, chunk)
            for event in events:
                chain.follow(event)
                replay.apply(event)
                read = event.sequence
                has_head = has_head or (None if kept is None else kept == Head(read, event.hash))
            if len(events) < chunk:
                differences = list(islice(_differences(session, replay), _MOST))
                return Report(chain.events, chain.first_break, differences, has_head)


def _differences(session: Session, replay: Replay) -> Iterator[str]:
    yield from _of_releases(session, replay)
    yield from _of_channels(session, replay)
    yield from _of_pins(session, replay)
    yield from _of_defaults(session, replay)
    yield from _of_tenants(session, replay)
    yield from _of_keys(session, replay)
    yield from _of_signing_keys(session, replay)
    yield from _of_webhooks(session, replay)


def _of_releases(session: Session, replay: Replay) -> Iterator[str]:
    missing = dict(replay.releases)
    for row in session.exec(select(Release).order_by(col(Release.id))):
        which = f"{row.domain}/{row.adapter}@{row.number}"
        published = missing.pop((f"{row.domain}/{row.adapter}", row.number), None)
        if published is None:
            yield f"release {which} exists, {_NOT_IN_THE_LOG}"
            continue
        if not _has_digest(row):
            yield f"the policy of {which} is not the one that its digest was made of"
        if (row.yanked_at is not None) != ((f"{row.domain}/{row.adapter}", row.number) in replay.yanked):
            yield f"{which} is {_yes(row.yanked_at)}yanked, and the log says the opposite"
        yield from _of_release(which, row, published)
    for name, number in missing:
        yield f"release {name}@{number} was published, and does not exist"


def _has_digest(row: Release) -> bool:
    try:
        return digest_of(row.policy) == row.policy_digest
    except ValueError:  # SQLite keeps numbers that JSON does not have; postil writes none.
        return False


def _of_release(which: str, row: Release, published: Mapping[str, Any]) -> Iterator[str]:
    """Compare a release with its publish; an event from before these were recorded says nothing of them."""
    for what in PUBLISHED:
        if what in published and getattr(row, what) != published[what]:
            yield f"the {what.replace('_', ' ')} of {which} is not the one that was published"


def _of_channels(session: Session, replay: Replay) -> Iterator[str]:
    missing = {key: number for key, (number, _) in replay.channels.items() if number}
    for row in session.exec(select(Channel).order_by(col(Channel.domain), col(Channel.adapter), col(Channel.name))):
        name = f"{row.domain}/{row.adapter}"
        number, weight = replay.channels.get((name, row.name), (0, None))
        missing.pop((name, row.name), None)
        if row.number != number:
            yield f"{row.name} of {name} points to {_release(row.number)}, and the log says {_release(number)}"
        elif row.name != STABLE and number and weight is not None and row.weight != weight:
            yield f"{row.name} of {name} has {row.weight:g} per cent, and the log says {weight:g}"
    for (name, which), number in missing.items():
        yield f"{which} of {name} points to no release, and the log says {_release(number)}"


def _of_pins(session: Session, replay: Replay) -> Iterator[str]:
    missing = dict(replay.pins)
    for row in session.exec(select(Pin).order_by(col(Pin.tenant), col(Pin.domain), col(Pin.adapter))):
        name = f"{row.domain}/{row.adapter}"
        number = missing.pop((row.tenant, name), 0)
        if row.number != number:
            yield f"{row.tenant} is pinned to {name}@{row.number}, and the log says {_release(number)}"
    for (tenant, name), number in missing.items():
        yield f"{tenant} is not pinned to {name}, and the log says {_release(number)}"


def _of_defaults(session: Session, replay: Replay) -> Iterator[str]:
    known = store.default_adapters(session)
    for domain in sorted(known.keys() | replay.defaults.keys()):
        here, there = known.get(domain, "none"), replay.defaults.get(domain, "none")
        if here != there:
            yield f"the default adapter of {domain} is {here}, and the log says {there}"
    for row in store.domains(session):
        if (row.frozen_at is not None) != (row.name in replay.frozen):
            yield f"domain {row.name} is {_yes(row.frozen_at)}frozen, and the log says the opposite"
        if row.sources != replay.sources.get(row.name, []):
            yield f"the sources of {row.name} are not those that the log says"
        if row.quotas != replay.quotas.get(row.name, {}):
            yield f"the quotas of {row.name} are not those that the log says"


def _of_tenants(session: Session, replay: Replay) -> Iterator[str]:
    rows = store.tenants(session)
    for row in rows:
        if (row.refused_at is not None) != (row.name in replay.refused):
            yield f"tenant {row.name} is {_yes(row.refused_at)}refused, and the log says the opposite"
    known = {row.name for row in rows}
    for name in sorted(known - replay.tenants):
        yield f"tenant {name} exists, {_NOT_IN_THE_LOG}"
    for name in sorted(replay.tenants - known):
        yield f"tenant {name} was added, and does not exist"


def _of_keys(session: Session, replay: Replay) -> Iterator[str]:
    """Keys from before 0005 (they have no salt) are not in the log by their ids."""
    missing = dict(replay.keys)
    for row in store.keys(session):
        added = missing.pop(row.id, None)
        if added is None and row.salt:
            yield f"key {row.id} of {row.owner} exists, {_NOT_IN_THE_LOG}"
        elif added is not None:
            yield from _of_key(row, added)
        if row.id in replay.revoked and row.revoked_at is None:
            yield f"key {row.id} of {row.owner} is in force, and the log says that it was revoked"
    for key, added in missing.items():
        yield f"key {key} of {added['owner']} was added, and does not exist"


def _of_key(row: Key, added: Mapping[str, Any]) -> Iterator[str]:
    for what in ("owner", "role", "domains"):
        if getattr(row, what) != added.get(what, getattr(row, what)):
            yield f"the {what} of key {row.id} of {added['owner']} is not the one that it was added with"


def _of_signing_keys(session: Session, replay: Replay) -> Iterator[str]:
    known = defaultdict[str, list[str]](list)
    for row in session.exec(select(SigningKey).order_by(col(SigningKey.fingerprint))):
        known[row.domain].append(row.fingerprint)
    for domain in sorted(known.keys() | replay.signing_keys.keys()):
        if sorted(known[domain]) != replay.signing_keys.get(domain, []):
            yield f"the signing keys of {domain} are not those that the log says"


def _of_webhooks(session: Session, replay: Replay) -> Iterator[str]:
    """Of a webhook's URL the log has the host alone."""
    missing = dict(replay.webhooks)
    for row in session.exec(select(Webhook).order_by(col(Webhook.name))):
        added = missing.pop(row.name, None)
        if added is None:
            yield f"webhook {row.name} exists, {_NOT_IN_THE_LOG}"
            continue
        here = {"host": urlsplit(row.url).hostname, "domains": row.domains, "allow_private": row.allow_private}
        for what, value in here.items():
            if added.get(what) != value:
                yield f"the {what.replace('_', ' ')} of webhook {row.name} is not the one that it was added with"
    for name in missing:
        yield f"webhook {name} was added, and does not exist"


def _yes(at: datetime | None) -> str:
    return "not " if at is None else ""


def _release(number: int) -> str:
    return f"release {number}" if number else "no release"
