"""Publish, promote, roll back: each is one transaction with its event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from postil.plugins import ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry import store
from postil.registry.artifacts import ArtifactStore
from postil.registry.base.model import BaseModel
from postil.registry.database import Database
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.history import live_history
from postil.registry.models import Channel, Domain, Event, Release, utcnow
from postil.registry.names import AdapterName
from postil.registry.policy import Policy, build, policy_from
from postil.registry.preflight import preflight
from postil.registry.text import kept

STABLE = "stable"


@dataclass(frozen=True, slots=True)
class AdapterState:
    """All that is known of one adapter: its releases, which of them is live, and what was done."""

    name: AdapterName
    releases: Sequence[Release]
    live: int | None
    default: bool
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Registry:
    """The use cases over one database, one artifact store, one base model and the installed plugins."""

    database: Database
    artifacts: ArtifactStore
    base: BaseModel
    plugins: PluginManager
    max_rank: int

    def publish(
        self, folder: Path, name: AdapterName, policy: Policy | None, *, note: str, actor: str
    ) -> tuple[Release, bool]:
        """Make a release of the files in ``folder``; returns it and whether it is new.

        ``folder`` comes from ``artifacts.incoming()``. Without a ``policy``, the one that is live stays in force.
        The same files with the same policy are the same release. Raises PreflightError or PolicyError, and then
        nothing has changed.
        """
        kept(note, "note")
        preflight(folder, self.base, self.max_rank)
        policy = policy or self._policy_in_force(name)
        validators, _ = build(policy, self.plugins)
        candidate = Release(
            domain=name.domain,
            adapter=name.adapter,
            number=0,
            artifact=self.artifacts.add(folder),
            base_id=self.base.id,
            base_revision=self.base.revision,
            policy=policy.model_dump(mode="json", exclude_defaults=True),
            policy_digest=policy.digest(),
            validators={validator.name: validator.version for _, validator in validators},
            note=note,
            actor=actor,
        )
        with self.database.transaction() as session:
            return _publish(session, candidate, name)

    def promote(self, ref: ReleaseRef, *, reason: str, actor: str, if_live: int | None = None) -> Channel:
        """Point ``stable`` at a release.

        With ``if_live``, only if that number is live still (0: if none is). Raises NotFoundError, or ConflictError if
        the release is live already or another one than ``if_live`` is.
        """
        return self._move("promote", ref, reason=reason, actor=actor, if_live=if_live)

    def rollback(self, ref: ReleaseRef, *, reason: str, actor: str, if_live: int | None = None) -> Channel:
        """Point ``stable`` back at a release that was live before; otherwise as ``promote``."""
        return self._move("rollback", ref, reason=reason, actor=actor, if_live=if_live)

    def rollback_target(self, name: AdapterName) -> ReleaseRef:
        """The release that was live before the one that is. Raises NotFoundError or ConflictError."""
        with self.database.transaction() as session:
            _existing(session, name)
            history = live_history(store.events(session, str(name)))
        if len(history) < 2:
            raise ConflictError(f"{name} has no earlier live release to go back to; promote another one instead")
        return name.release(history[-2])

    def release(self, ref: ReleaseRef) -> Release:
        """One release. Raises NotFoundError that says which there are."""
        with self.database.transaction() as session:
            return _existing_release(session, ref)

    def state(self, name: AdapterName) -> AdapterState:
        """One adapter. Raises NotFoundError."""
        with self.database.transaction() as session:
            return _state(session, name, _existing(session, name))

    def adapters(self) -> list[AdapterState]:
        """Every adapter, in the order of their names."""
        with self.database.transaction() as session:
            return [_state(session, name, store.releases(session, name)) for name in store.adapters(session)]

    def default_adapters(self) -> dict[str, str]:
        """Each domain's default adapter: ``{"healthcare": "triage"}``."""
        with self.database.transaction() as session:
            return {domain.name: domain.default_adapter for domain in store.domains(session)}

    def _policy_in_force(self, name: AdapterName) -> Policy:
        """The policy of the live release, else of the newest, else an empty one."""
        with self.database.transaction() as session:
            known, channel = store.releases(session, name), store.channel(session, name)
        live = [release for release in known if channel and release.number == channel.number]
        return policy_from((live or known)[-1].policy) if known else Policy()

    def _move(self, action: str, ref: ReleaseRef, *, reason: str, actor: str, if_live: int | None) -> Channel:
        name = AdapterName(ref.domain, ref.adapter)
        with self.database.transaction() as session:
            store.lock_for_writing(session)
            _existing_release(session, ref)
            channel = store.channel(session, name) or Channel(
                domain=name.domain, adapter=name.adapter, name=STABLE, number=0, revision=0
            )
            if if_live is not None and channel.number != if_live:
                now = name.release(channel.number) if channel.number else "no release"
                raise ConflictError(f"{now} is live by now, not {if_live}; look at it and decide again")
            if channel.number == ref.number:
                raise ConflictError(f"{ref} is live already; see `postil releases {name}`")
            if action == "rollback" and ref.number not in live_history(store.events(session, str(name))):
                raise ConflictError(f"{ref} is none of those that were live before; promote it instead")
            before, channel.number = channel.number, ref.number
            channel.revision, channel.moved_at = channel.revision + 1, utcnow()
            session.add(channel)
            store.record(
                session, actor=actor, action=action, subject=str(name), reason=reason,
                before=before or None, after=ref.number,
            )
            return channel


def _publish(session: Session, candidate: Release, name: AdapterName) -> tuple[Release, bool]:
    store.lock_for_writing(session)
    if existing := store.same_release(session, candidate):
        return existing, False
    candidate.number = store.next_number(session, name)
    session.add(candidate)
    if session.get(Domain, name.domain) is None:
        session.add(Domain(name=name.domain, default_adapter=name.adapter))
    store.record(
        session, actor=candidate.actor, action="publish", subject=str(name), reason=candidate.note,
        after=candidate.number,
    )
    return candidate, True


def _existing(session: Session, name: AdapterName) -> Sequence[Release]:
    releases = store.releases(session, name)
    if not releases:
        raise NotFoundError(f"there is no adapter {name}; publish it, or see `postil releases` for those there are")
    return releases


def _existing_release(session: Session, ref: ReleaseRef) -> Release:
    name = AdapterName(ref.domain, ref.adapter)
    release = store.release(session, name, ref.number)
    if release is None:
        numbers = ", ".join(str(known.number) for known in _existing(session, name))
        raise NotFoundError(f"there is no release {ref}; {name} has {numbers}")
    return release


def _state(session: Session, name: AdapterName, releases: Sequence[Release]) -> AdapterState:
    channel, domain = store.channel(session, name), session.get(Domain, name.domain)
    return AdapterState(
        name,
        releases,
        channel.number if channel else None,
        domain is not None and domain.default_adapter == name.adapter,
        store.events(session, str(name)),
    )
