"""Where an adapter's channels point, and who is pinned: each change is one transaction with its event.

``stable`` answers; moving it is promote and rollback (see releases). ``canary`` answers a share of the traffic in its
place, and ``shadow`` gets a copy of a share of it, which nobody sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Channel, Pin, Release, utcnow
from postil.registry.errors import ConflictError, NotFoundError, WeightError
from postil.registry.names import AdapterName
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.history import MOVES, collected, retired

STABLE, CANARY, SHADOW = "stable", "canary", "shadow"


@dataclass(frozen=True, slots=True)
class Precondition:
    """What a channel must still be for a change to be made: compare-and-set.

    ``number`` is the release that it points to (0: to none), ``revision`` the count of its moves, ``weight`` its share
    of the traffic. ``canary`` is what the adapter's canary has to be beside that.
    """

    number: int | None = None
    revision: int | None = None
    weight: float | None = None
    canary: Precondition | None = None

    def check(self, session: Session, found: Channel, name: AdapterName) -> None:
        """Raise ConflictError, which says who moved it, if the channel or the canary has changed."""
        if not self._holds(found):
            raise ConflictError(_moved(session, found, name, share=self.weight is not None))
        if self.canary is not None:
            self.canary.check(session, channel(session, name, CANARY), name)

    def _holds(self, found: Channel) -> bool:
        return (
            self.number in (None, found.number)
            and self.revision in (None, found.revision)
            and self.weight in (None, found.weight)
        )


def _moved(session: Session, found: Channel, name: AdapterName, *, share: bool) -> str:
    """Say where a channel points by now, with its share where that was asked for, and who moved it there."""
    now = f"points to {name.release(found.number)}" if found.number else "points to no release"
    if share and found.number:
        now += f" at {found.weight:g} per cent"
    moves = MOVES if found.name == STABLE else (found.name, f"{found.name}-end")
    last = store.last_event(session, str(name), moves)
    whose = f" ({last.action} by {last.actor})" if last else ""
    return f"{found.name} of {name} {now} by now{whose}; look at it and decide again"


ANY = Precondition()


def point(
    database: Database, ref: ReleaseRef, which: str, weight: float, *, reason: str, actor: str, only: Precondition = ANY
) -> None:
    """Point ``canary`` or ``shadow`` at a release, with its share of the traffic in per cent.

    Pointing it where it points already changes the weight alone. Raises NotFoundError, WeightError, or ConflictError
    if that release is live, if none is, or if ``only`` does not hold.
    """
    if not 0 < weight <= 100:
        raise WeightError(f"a weight of {weight:g} per cent cannot be; give more than 0 and at most 100")
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        usable_release(session, ref)
        check_not_frozen(session, name.domain)
        found, stable = channel(session, name, which), channel(session, name, STABLE)
        only.check(session, found, name)
        check_beside(ref, which, stable)
        if (found.number, found.weight) == (ref.number, weight):
            raise ConflictError(f"{ref} is the {which} at {weight:g} per cent already; see `postil status`")
        found.weight = weight
        before = move(session, found, ref.number)
        store.record(
            session,
            actor=actor,
            action=which,
            subject=str(name),
            reason=reason,
            before=before,
            after=ref.number,
            details={"weight": weight},
        )


def clear(
    database: Database,
    name: AdapterName,
    which: str,
    *,
    reason: str,
    actor: str,
    only: Precondition = ANY,
    details: Mapping[str, Any] | None = None,
) -> None:
    """End a canary or a shadow. Raises NotFoundError if there is none, ConflictError if ``only`` does not hold."""
    with database.write() as session:
        store.lock_for_writing(session)
        existing(session, name)
        found = channel(session, name, which)
        only.check(session, found, name)
        if not found.number:
            raise NotFoundError(f"{name} has no {which}; see `postil status`")
        end(session, found, name, reason=reason, actor=actor, details=details)


def end_canary_of(session: Session, ref: ReleaseRef, *, actor: str) -> None:
    """End the canary if it is this release, which is live now."""
    name = AdapterName(ref.domain, ref.adapter)
    for which in (CANARY, SHADOW):
        found = channel(session, name, which)
        if found.number == ref.number:
            end(session, found, name, reason="it is live now", actor=actor)


def pin(database: Database, tenant: str, ref: ReleaseRef, *, reason: str, actor: str) -> None:
    """Pin a tenant to a release, whatever is live. Raises NotFoundError, or ConflictError if it is already.

    Whether there is such a tenant is for the caller to know: not every tenant is in the database.
    """
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        usable_release(session, ref)
        check_not_frozen(session, name.domain)
        found = session.get(Pin, (tenant, name.domain, name.adapter))
        if found is not None and found.number == ref.number:
            raise ConflictError(f"{tenant} is pinned to {ref} already")
        before = found.number if found else None
        made = found or Pin(tenant=tenant, domain=name.domain, adapter=name.adapter, number=0)
        made.number, made.pinned_at = ref.number, utcnow()
        session.add(made)
        store.record(
            session,
            actor=actor,
            action="pin",
            subject=str(name),
            reason=reason,
            before=before,
            after=ref.number,
            details={"tenant": tenant},
        )


def unpin(database: Database, tenant: str, name: AdapterName, *, reason: str, actor: str) -> None:
    """Unpin a tenant: it follows the live release again. Raises NotFoundError."""
    with database.write() as session:
        store.lock_for_writing(session)
        found = session.get(Pin, (tenant, name.domain, name.adapter))
        if found is None:
            raise NotFoundError(f"{tenant} is not pinned to a release of {name}; see `postil releases {name}`")
        _unpin(session, found, reason=reason, actor=actor)


def unpin_everywhere(session: Session, tenant: str, *, actor: str) -> int:
    """Remove all pins of a tenant that is removed; returns how many there were."""
    pins = store.pins(session, tenant=tenant)
    for found in pins:
        _unpin(session, found, reason="the tenant was removed", actor=actor)
    return len(pins)


def channel(session: Session, name: AdapterName, which: str) -> Channel:
    """A channel as it is, or as it would be if it had never been moved."""
    return store.channel(session, name, which) or Channel(
        domain=name.domain, adapter=name.adapter, name=which, number=0, revision=0
    )


def move(session: Session, found: Channel, number: int) -> int | None:
    """Point a channel elsewhere (0: nowhere); returns where it pointed, or None."""
    before, found.number = found.number, number
    found.revision, found.moved_at = found.revision + 1, utcnow()
    session.add(found)
    return before or None


def existing(session: Session, name: AdapterName) -> Sequence[Release]:
    """All releases of an adapter. Raises NotFoundError if it has none."""
    releases = store.releases(session, name)
    if not releases:
        raise NotFoundError(f"there is no adapter {name}; publish it, or see `postil releases` for those there are")
    return releases


def existing_release(session: Session, ref: ReleaseRef) -> Release:
    """One release. Raises NotFoundError that says which there are."""
    name = AdapterName(ref.domain, ref.adapter)
    release = store.release(session, name, ref.number)
    if release is None:
        numbers = ", ".join(str(known.number) for known in existing(session, name))
        raise NotFoundError(f"there is no release {ref}; {name} has {numbers}")
    return release


def usable_release(session: Session, ref: ReleaseRef) -> Release:
    """One release that has its files and is in service. Raises NotFoundError, or ConflictError if it is not so."""
    release, name = existing_release(session, ref), AdapterName(ref.domain, ref.adapter)
    if ref.number in collected(session, name):
        raise ConflictError(f"the files of {ref} were collected; publish it again to serve it")
    out_of_service = retired(session, name)
    if out_of_service.adapter:
        raise ConflictError(f"{name} is retired; bring it back first with `postil adapters restore {name}`")
    if ref.number in out_of_service.releases:
        raise ConflictError(f"{ref} is retired; bring it back first with `postil releases restore {ref}`")
    if release.yanked_at is not None:
        raise ConflictError(f"{ref} was yanked: {release.yank_reason}; publish one that is better")
    return release


def check_beside(ref: ReleaseRef, which: str, stable: Channel) -> None:
    """Raise ConflictError unless another release is live, beside which this one can be tried."""
    if not stable.number:
        raise ConflictError(f"{ref.name} has no live release to put a {which} beside; promote one first")
    if stable.number == ref.number:
        raise ConflictError(f"{ref} is live already; choose another release as {which}")


def end(
    session: Session,
    found: Channel,
    name: AdapterName,
    *,
    reason: str,
    actor: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """End a canary or a shadow, with its event."""
    weight = found.weight
    before = move(session, found, 0)
    store.record(
        session,
        actor=actor,
        action=f"{found.name}-end",
        subject=str(name),
        reason=reason,
        before=before,
        details={"weight": weight, **(details or {})},
    )


def _unpin(session: Session, found: Pin, *, reason: str, actor: str) -> None:
    session.delete(found)
    store.record(
        session,
        actor=actor,
        action="unpin",
        subject=f"{found.domain}/{found.adapter}",
        reason=reason,
        before=found.number,
        details={"tenant": found.tenant},
    )
