"""What the tests of garbage collection share: to collect, and to look at what is left."""

from __future__ import annotations

from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.db.tables import Event
from postil.registry.errors import ArtifactError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import policy_from
from postil.registry.releases import garbage as collect
from postil.registry.releases.garbage import Garbage
from postil.registry.releases.service import Registry

TRIAGE, NOTES = AdapterName("healthcare", "triage"), AdapterName("healthcare", "notes")
PROMPT = policy_from({"system_prompt": "Sort."})


def gc(registry: Registry, keep: int = 1, *, dry_run: bool = False) -> list[Garbage]:
    """Collect, by ann."""
    return collect.collect_garbage(registry.database, registry.artifacts, keep=keep, actor="ann", dry_run=dry_run)


def has_files(registry: Registry, number: int, name: AdapterName = TRIAGE) -> bool:
    """Whether the files of a release are there, byte for byte."""
    try:
        registry.artifacts.verified_path(registry.release(name.release(number)).artifact)
    except ArtifactError:
        return False
    return True


def events(registry: Registry, *actions: str) -> list[Event]:
    """The events of these kinds."""
    with registry.database.read() as session:
        return list(store.events(session, None, actions))


def log_holds(registry: Registry) -> bool:
    """Whether the chain of events is whole."""
    with registry.database.read() as session:
        return first_break(store.events(session)) is None
