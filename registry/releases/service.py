"""Publish, promote, roll back: each is one transaction with its event."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlmodel import Session

from postil.plugins import Candidate, ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry.artifacts.contents import calibration_in, keep_the_adapter, read_report, rewrite_config
from postil.registry.artifacts.local_store import folder_digest
from postil.registry.artifacts.store import ArtifactStore
from postil.registry.base_model.model import BaseModel
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Channel, Event, Release
from postil.registry.defaults import HELD_OUT_LIMIT
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.policy.components import components_of, digest, record
from postil.registry.policy.own_answers import check_own_answers
from postil.registry.policy.policy import Built, Policy, build
from postil.registry.policy.publishable import check_publishable
from postil.registry.preflight.preflight import preflight
from postil.registry.releases.channels import (
    ANY,
    STABLE,
    Precondition,
    channel,
    end_canary_of,
    existing,
    existing_release,
    move,
    usable_release,
)
from postil.registry.releases.create import create
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.held_out_uses import note_release, worn_out_warnings
from postil.registry.releases.history import MOVES, check_went_before, live_history, retired, rollback_number
from postil.registry.releases.policy_in_force import policy_in_force
from postil.registry.releases.policy_webhook import check_webhook
from postil.registry.releases.quotas import NO_QUOTAS, DomainQuotas, check_room
from postil.registry.releases.state import NEWEST_EVENTS, AdapterState, adapter_states
from postil.registry.releases.walls import check_walls
from postil.registry.releases.warnings import folder_warnings, release_warnings
from postil.registry.signing.requirements import check_unsigned, store_signature, take_signature, verify_required
from postil.registry.text import kept_lines


@dataclass(frozen=True, slots=True)
class Registry:
    """The use cases over one database, one artifact store, one base model and the installed plugins.

    ``window`` is the engine's context in tokens, None where it is not known.
    """

    database: Database
    artifacts: ArtifactStore
    base: BaseModel
    plugins: PluginManager
    max_rank: int
    window: int | None = None
    # What a domain may keep that has no figures of its own.
    quotas: DomainQuotas = NO_QUOTAS
    held_out_limit: int = HELD_OUT_LIMIT

    def publish(
        self,
        folder: Path,
        name: AdapterName,
        policy: Policy | None,
        *,
        note: str,
        actor: str,
        source: str = "",
        scope: Collection[str] | None = None,
        base_ok: bool = False,
    ) -> tuple[Release, bool]:
        """Make a release of the files in ``folder``; returns it and whether it is new, or restored from collection.

        ``folder`` comes from ``artifacts.incoming()``; what in it is no part of the adapter is left out. ``source``
        says where it came from, if not from an upload. ``scope`` are the domains that the publisher works on (None:
        all): a policy may name no others. Without a ``policy``, the one that is live stays in force. ``base_ok`` is
        the publisher's word that a base of another name is that of this gateway; it stands in the log.
        The same files with the same policy and the same versions of its plugins are the same release; it is there
        again if its files had been collected.
        A ``model.sig`` among them is kept. Raises PreflightError, SignatureError, QuotaError or PolicyError.
        """
        kept_lines(note, "note")
        with self.database.read() as session:
            check_not_frozen(session, name.domain)
        signature = take_signature(folder)
        info = preflight(folder, self.base, self.max_rank, base_ok=base_ok)
        warnings = folder_warnings(folder, self.base, info)
        keep_the_adapter(folder)
        rewrite_config(folder, info, signed=signature is not None)
        policy = policy or policy_in_force(self.database, name)
        candidate = self._candidate(folder, name, policy, scope)
        candidate.source, candidate.note, candidate.actor = source, note, actor
        report = read_report(folder)
        worn_out = worn_out_warnings(self.database, name.domain, report, self.held_out_limit)
        candidate.warnings = [*warnings, *release_warnings(policy, report), *worn_out]
        details = {"base_ok": info.other_base} if info.other_base else {}
        made = self._stored(folder, candidate, signature, details)
        note_release(self.database, made[0], report)
        return made

    def check_ahead(
        self, name: AdapterName, policy: Policy | None, *, note: str, scope: Collection[str] | None
    ) -> None:
        """Refuse what a publish would refuse whatever the files are, before they are made here.

        Raises PolicyError, TextError, ConflictError, or SignatureError where only signed adapters are taken.
        """
        kept_lines(note, "note")
        with self.database.read() as session:
            check_not_frozen(session, name.domain)
        check_unsigned(self.database, name.domain)
        self._checked(name, policy or policy_in_force(self.database, name), {}, scope)

    def promote(
        self, ref: ReleaseRef, *, reason: str, actor: str, only: Precondition = ANY, dry_run: bool = False
    ) -> Channel:
        """Point ``stable`` at a release and return it; a canary of that release has then come to its end.

        With ``dry_run`` all is checked and nothing is changed. Raises NotFoundError, or ConflictError if the release
        is live already or ``only`` does not hold.
        """
        return self._move("promote", ref, reason=reason, actor=actor, only=only, dry_run=dry_run)

    def rollback(
        self,
        ref: ReleaseRef,
        *,
        reason: str,
        actor: str,
        only: Precondition = ANY,
        dry_run: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> Channel:
        """Point ``stable`` back at a release that was live before; otherwise as ``promote``."""
        return self._move("rollback", ref, reason=reason, actor=actor, only=only, dry_run=dry_run, details=details)

    def rollback_target(self, name: AdapterName) -> ReleaseRef:
        """The release that was live before the one that is. Raises NotFoundError or ConflictError."""
        with self.database.read() as session:
            existing(session, name)
            history = live_history(store.moves(session, MOVES, [name]))
            number = rollback_number(history, retired(session, name).releases | store.yanked(session, name))
        if number is None:
            raise ConflictError(f"{name} has no earlier live release to go back to; promote another one instead")
        return name.release(number)

    def release(self, ref: ReleaseRef) -> Release:
        """One release. Raises NotFoundError that says which there are."""
        with self.database.read() as session:
            return existing_release(session, ref)

    def usable(self, ref: ReleaseRef) -> Release:
        """One release that has its files. Raises NotFoundError, or ConflictError if they were collected."""
        with self.database.read() as session:
            return usable_release(session, ref)

    def state(self, name: AdapterName) -> AdapterState:
        """One adapter, with the newest of its events. Raises NotFoundError."""
        with self.database.read() as session:
            return replace(_state(session, name), events=store.newest_events(session, str(name), NEWEST_EVENTS))

    def serving(self, name: AdapterName) -> tuple[AdapterState, dict[str, str], int]:
        """What a gateway needs to serve one adapter, read at once: its state, without events, and all defaults.

        The number is that of the newest event that is part of it.
        """
        with self.database.read() as session:
            state = _state(session, name)
            return state, store.default_adapters(session), store.newest(session)

    def adapters(self) -> list[AdapterState]:
        """Every adapter, in the order of their names, without its events."""
        with self.database.read() as session:
            return adapter_states(session)

    def default_adapters(self) -> dict[str, str]:
        """Each domain's default adapter: ``{"healthcare": "triage"}``."""
        with self.database.read() as session:
            return store.default_adapters(session)

    def candidate(self, ref: ReleaseRef) -> Candidate:
        """A release as gates see it, with what its training reported. Raises NotFoundError or ArtifactError."""
        release = self.release(ref)
        return Candidate(ref, release.policy, self.artifacts.report(release.artifact), release.note)

    def events_after(self, sequence: int, limit: int | None = None) -> Sequence[Event]:
        """The events after a sequence number, in order; the first ``limit`` of them."""
        with self.database.read() as session:
            return store.events_after(session, sequence, limit)

    def newest_event(self) -> int:
        """The sequence number of the last event, 0 if there is none."""
        with self.database.read() as session:
            return store.newest(session)

    def _candidate(self, folder: Path, name: AdapterName, policy: Policy, scope: Collection[str] | None) -> Release:
        """Return a release of what is in ``folder``, without number, artifact, note and actor. Raises PolicyError."""
        calibration = calibration_in(folder)
        built = self._checked(name, policy, calibration, scope)
        components = components_of(policy, self.plugins)
        return Release(
            domain=name.domain,
            adapter=name.adapter,
            number=0,
            artifact="",
            base_id=self.base.id,
            base_revision=self.base.revision,
            policy=policy.model_dump(mode="json", exclude_defaults=True),
            policy_digest=policy.digest(),
            validators={validator.name: validator.version for _, validator in built.validators},
            components=record(components),
            components_digest=digest(components),
            calibration=calibration,
            note="",
            actor="",
        )

    def _checked(
        self, name: AdapterName, policy: Policy, calibration: Mapping[str, float], scope: Collection[str] | None
    ) -> Built:
        check_webhook(self.database, name.domain, policy)
        check_publishable(policy, self.window)
        built = build(policy, self.plugins, calibration)
        check_own_answers(policy, built, self.plugins)
        check_walls(self.database, name.domain, built.fallbacks, scope)
        return built

    def _stored(
        self, folder: Path, candidate: Release, signature: str | None, details: Mapping[str, Any]
    ) -> tuple[Release, bool]:
        """Store the files and the release that names them, so that no garbage collection comes between."""
        warnings = candidate.warnings
        with self.artifacts.naming():
            candidate.artifact = folder_digest(folder)
            vetted = verify_required(self.database, candidate.domain, candidate.artifact, signature)
            size = sum(file.stat().st_size for file in folder.iterdir())
            check_room(self.database, self.artifacts, candidate, size, self.quotas)
            self.artifacts.put(folder)
            with self.database.write() as session:
                release, new = create(session, candidate, details)
                store_signature(session, release, vetted, actor=candidate.actor)
        # Where it is there already, the files that were sent this time may give cause for others.
        release.warnings = list(dict.fromkeys([*release.warnings, *warnings]))
        return release, new

    def _move(
        self,
        action: str,
        ref: ReleaseRef,
        *,
        reason: str,
        actor: str,
        only: Precondition,
        dry_run: bool,
        details: Mapping[str, Any] | None = None,
    ) -> Channel:
        name = AdapterName(ref.domain, ref.adapter)
        with self.database.write() as session:
            store.lock_for_writing(session)
            usable_release(session, ref)
            stable = channel(session, name, STABLE)
            only.check(session, stable, name)
            if stable.number == ref.number:
                raise ConflictError(f"{ref} is live already; see `postil releases {name}`")
            if action == "promote":
                check_not_frozen(session, name.domain)
            else:
                check_went_before(session, ref)
            if dry_run:
                return stable
            before = move(session, stable, ref.number)
            end_canary_of(session, ref, actor=actor)
            store.record(
                session,
                actor=actor,
                action=action,
                subject=str(name),
                reason=reason,
                before=before,
                after=ref.number,
                details=details,
            )
            return stable


def _state(session: Session, name: AdapterName) -> AdapterState:
    existing(session, name)
    return adapter_states(session, [name])[0]
