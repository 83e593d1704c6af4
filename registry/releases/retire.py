"""Take releases and whole adapters out of service, and bring them back: each is one transaction with its event.

A retired release stays in the history and keeps its files until garbage collection. It answers only tenants that are
pinned to it, and cannot be promoted, tried or pinned until it is restored. A retired adapter answers
nobody at all.
"""

from __future__ import annotations

from sqlmodel import Session

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import CANARY, SHADOW, STABLE, channel, existing, existing_release
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.history import RETIRE, UNRETIRE, Retired, collected, retired


def retire_release(database: Database, ref: ReleaseRef, *, reason: str, actor: str) -> None:
    """Retire a release. Raises NotFoundError, or ConflictError if it is retired already, or is in use."""
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        existing_release(session, ref)
        if ref.number in retired(session, name).releases:
            raise ConflictError(f"{ref} is retired already; see `postil releases {name}`")
        _check_unused(session, name, ref)
        store.record(session, actor=actor, action=RETIRE, subject=str(name), reason=reason, before=ref.number)


def restore_release(database: Database, ref: ReleaseRef, *, reason: str, actor: str) -> None:
    """Restore a release. Raises NotFoundError, or ConflictError if it is not retired, or its files were collected."""
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        existing_release(session, ref)
        if ref.number not in retired(session, name).releases:
            raise ConflictError(f"{ref} is not retired; see `postil releases {name}`")
        if ref.number in collected(session, name):
            raise ConflictError(f"the files of {ref} were collected; publish it again, and then restore it")
        check_not_frozen(session, name.domain)
        store.record(session, actor=actor, action=UNRETIRE, subject=str(name), reason=reason, after=ref.number)


def retire_adapter(database: Database, name: AdapterName, *, reason: str, actor: str) -> None:
    """Retire a whole adapter. Raises NotFoundError, or ConflictError if it is retired already."""
    with database.write() as session:
        store.lock_for_writing(session)
        if _adapter(session, name).adapter:
            raise ConflictError(f"{name} is retired already; see `postil adapters list`")
        store.record(session, actor=actor, action=RETIRE, subject=str(name), reason=reason)


def restore_adapter(database: Database, name: AdapterName, *, reason: str, actor: str) -> None:
    """Restore an adapter with its live release, canary, shadow and pins. Raises NotFoundError or ConflictError."""
    with database.write() as session:
        store.lock_for_writing(session)
        if not _adapter(session, name).adapter:
            raise ConflictError(f"{name} is not retired; see `postil adapters list`")
        check_not_frozen(session, name.domain)
        store.record(session, actor=actor, action=UNRETIRE, subject=str(name), reason=reason)


def _adapter(session: Session, name: AdapterName) -> Retired:
    existing(session, name)
    return retired(session, name)


def _check_unused(session: Session, name: AdapterName, ref: ReleaseRef) -> None:
    """Raise ConflictError if the release is live, a canary or a shadow; pins do not matter."""
    if channel(session, name, STABLE).number == ref.number:
        raise ConflictError(
            f"{ref} is live; promote another release or roll back first, or retire the whole adapter with"
            f" `postil adapters retire {name}`"
        )
    for which in (CANARY, SHADOW):
        if channel(session, name, which).number == ref.number:
            raise ConflictError(f"{ref} is the {which}; end it first with `postil {which} {name} --end`")
