"""Garbage collection: deletes the files of releases that nobody can ask for, and files that no release names.

A release is retained while a channel or a pin names it, if it was ever live, and while it is among the newest of its
adapter. A retired release cannot be rolled back to, so that it was live once does not retain it. A yanked release keeps
its files and its evidence for those who look into it, until it is unyanked.

A publish adds its files before it names them, and several gateways may share a store: ``ArtifactStore.collecting``
keeps the two apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from postil.plugins import ReleaseRef
from postil.registry.artifacts.store import ArtifactStore
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.defaults import KEEP
from postil.registry.releases.evidence import forget_release
from postil.registry.releases.history import COLLECT, MOVES, collected_by, retired_by
from postil.registry.releases.state import AdapterRows, adapter_rows

# The subject of events about files that no release names.
ARTIFACTS = "artifacts"


@dataclass(frozen=True, slots=True)
class Garbage:
    """An artifact that can go: the releases whose files it holds (none, if no release names it), why, and its size."""

    artifact: str
    releases: tuple[ReleaseRef, ...]
    reason: str
    bytes: int


@dataclass(frozen=True, slots=True)
class _Named:
    """A release whose files exist, whether it is retained, and whether it is retired."""

    ref: ReleaseRef
    retained: bool
    retired: bool


def collect_garbage(
    database: Database, artifacts: ArtifactStore, *, keep: int = KEEP, actor: str, dry_run: bool = False
) -> list[Garbage]:
    """Delete what is not retained and return it; with ``dry_run``, only return it.

    ``keep`` is how many of an adapter's newest releases keep their files in any case. The releases themselves stay in
    the history, and publishing the same files again brings them back.
    """
    with artifacts.collecting() as trash:
        sizes = artifacts.sizes()
        if dry_run:
            with database.read() as session:
                return list(_garbage(session, sizes, keep))
        with database.write() as session:
            store.lock_for_writing(session)
            found = list(_garbage(session, sizes, keep))
            for garbage in found:
                _record(session, garbage, actor)
        # Only now: a release that is said to be collected and is not does no harm, the other way round it does.
        for garbage in found:
            artifacts.discard(garbage.artifact, trash)
    return found


def retained(rows: AdapterRows, keep: int) -> set[int]:
    """The releases of an adapter that somebody may still ask for, by number."""
    numbers = [release.number for release in rows.releases]
    newest = numbers[max(0, len(numbers) - keep) :]
    moves = [move for move in rows.moves if move.action in MOVES]
    pointed = {channel.number for channel in rows.channels} | {pin.number for pin in rows.pins}
    lived = {number for move in moves for number in (move.before, move.after) if number is not None}
    yanked = {release.number for release in rows.releases if release.yanked_at is not None}
    return {*newest, *pointed, *yanked, *(lived - retired_by(rows.moves).releases)}


def _garbage(session: Session, sizes: Mapping[str, int], keep: int) -> Iterator[Garbage]:
    named = _named(session, keep)
    for artifact, size in sorted(sizes.items()):
        releases = named.get(artifact, [])
        if not any(release.retained for release in releases):
            yield Garbage(artifact, tuple(release.ref for release in releases), _why(releases, keep), size)


def _why(releases: Sequence[_Named], keep: int) -> str:
    if not releases:
        return "no release names it"
    return f"{'retired' if any(one.retired for one in releases) else 'never live'}, and not among the newest {keep}"


def _named(session: Session, keep: int) -> Mapping[str, list[_Named]]:
    """The releases by artifact, without those collected before: what a crash may have left of these, goes as well."""
    found: dict[str, list[_Named]] = defaultdict(list)
    for rows in adapter_rows(session):
        reach, gone, out = retained(rows, keep), collected_by(rows.moves), retired_by(rows.moves).releases
        for release in rows.releases:
            number = release.number
            if number not in gone:
                ref = rows.name.release(number)
                found[release.artifact].append(_Named(ref, number in reach, number in out))
    return found


def _record(session: Session, garbage: Garbage, actor: str) -> None:
    """An event for each release that loses its files, or one for files that no release names."""
    for ref in garbage.releases:
        forget_release(session, ref)
    subjects: list[tuple[str, int | None]] = [(ref.name, ref.number) for ref in garbage.releases]
    for subject, number in subjects or [(ARTIFACTS, None)]:
        store.record(
            session,
            actor=actor,
            action=COLLECT,
            subject=subject,
            reason=garbage.reason,
            before=number,
            details={"artifact": garbage.artifact},
        )
