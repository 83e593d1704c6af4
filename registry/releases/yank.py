"""Yank releases that do harm, and take that back: each is one transaction with its event.

A yanked release answers nobody, whoever is pinned to it or names it, and cannot be promoted, tried, pinned, rolled back
to or fallen back on. It stays in the history with its files, for those who look into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Channel, utcnow
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import (
    ANY,
    CANARY,
    SHADOW,
    STABLE,
    Precondition,
    channel,
    end,
    end_canary_of,
    existing_release,
    move,
    usable_release,
)
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.history import (
    MOVES,
    check_went_before,
    collected,
    live_history,
    retired,
    rollback_number,
)
from postil.registry.text import required

YANK, UNYANK = "yank", "unyank"


def yank(
    database: Database,
    ref: ReleaseRef,
    *,
    reason: str,
    actor: str,
    to: int | None = None,
    which: str = STABLE,
    only: Precondition = ANY,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Yank a release. If it is live, number ``to`` is live afterwards, else the one before, else none.

    Raises NotFoundError, TextError without a reason, or ConflictError if it is yanked already, if ``to`` cannot be
    rolled back to, or if ``only`` does not hold of the channel ``which``.
    """
    name = AdapterName(ref.domain, ref.adapter)
    required(reason, "reason")
    with database.write() as session:
        store.lock_for_writing(session)
        release = existing_release(session, ref)
        only.check(session, channel(session, name, which), name)
        if release.yanked_at is not None:
            raise ConflictError(f"{ref} is yanked already: {release.yank_reason}")
        release.yanked_at, release.yanked_by, release.yank_reason = utcnow(), actor[:64], reason
        session.add(release)
        store.record(session, actor=actor, action=YANK, subject=str(name), reason=reason, before=ref.number)
        _go_back(session, ref, to, reason=reason, actor=actor, details=details)
        for each in (CANARY, SHADOW):
            found = channel(session, name, each)
            if found.number == ref.number:
                end(session, found, name, reason=reason, actor=actor, details=details)


def unyank(database: Database, ref: ReleaseRef, *, reason: str, actor: str) -> None:
    """Take a yank back; nothing points to the release by that, but pins. Raises NotFoundError or ConflictError."""
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        release = existing_release(session, ref)
        check_not_frozen(session, ref.domain)
        if release.yanked_at is None:
            raise ConflictError(f"{ref} is not yanked; see `postil releases {name}`")
        release.yanked_at, release.yanked_by, release.yank_reason = None, None, ""
        session.add(release)
        store.record(session, actor=actor, action=UNYANK, subject=str(name), reason=reason, after=ref.number)


def _go_back(
    session: Session, ref: ReleaseRef, to: int | None, *, reason: str, actor: str, details: Mapping[str, Any] | None
) -> None:
    """Make another release live if this one is."""
    name = AdapterName(ref.domain, ref.adapter)
    stable = channel(session, name, STABLE)
    if stable.number != ref.number:
        if to is not None:
            raise ConflictError(f"{ref} is not live, so that nothing else has to be; leave out `to`")
        return
    target = _target(session, name, stable, to)
    before = move(session, stable, target or 0)
    if target is not None:
        end_canary_of(session, name.release(target), actor=actor)
    store.record(
        session,
        actor=actor,
        action="rollback",
        subject=str(name),
        reason=reason,
        before=before,
        after=target,
        details=details,
    )


def _target(session: Session, name: AdapterName, stable: Channel, to: int | None) -> int | None:
    """The release that is live after the one that is live was yanked."""
    if to is None:
        history = live_history(store.moves(session, MOVES, [name]))
        gone = retired(session, name).releases | store.yanked(session, name) | collected(session, name)
        return rollback_number(history, gone)
    usable_release(session, name.release(to))
    check_went_before(session, name.release(to))
    return to
