"""Whatever was done before a collection, what is in reach has its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.plugins.manager import PluginManager
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.base_model.model import BaseModel
from postil.registry.db.database import Database
from postil.registry.errors import RegistryError
from postil.registry.names import AdapterName, parse_adapter
from postil.registry.policy.policy import Policy
from postil.registry.releases import channels
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter
from tests.registry.releases.garbage_acts import gc, has_files, log_holds
from tests.support.databases import write_sqlite

FIRST = [("publish", name, seed) for name in ("healthcare/triage", "healthcare/notes") for seed in range(4)]
ACTS = st.one_of(
    st.tuples(
        st.sampled_from(["publish", "promote", "promote", "rollback", CANARY, SHADOW, "pin", "gc"]),
        st.sampled_from(["healthcare/triage", "healthcare/notes"]),
        st.integers(1, 5),
    ),
    st.tuples(
        st.sampled_from(["rollback", "canary-end", "unpin", "gc"]),
        st.sampled_from(["healthcare/triage", "healthcare/notes"]),
        st.just(0),
    ),
)


def do(registry: Registry, folder: Path, action: str, name: AdapterName, number: int) -> None:
    """One act of the property; what is refused is no act."""
    said: dict[str, Any] = {"reason": "", "actor": "ann"}
    ref, database = name.release(number), registry.database
    if action == "publish":
        with registry.artifacts.incoming() as incoming:
            shutil.copytree(folder / str(number), incoming, dirs_exist_ok=True)
            registry.publish(incoming, name, Policy(), note="", actor="ann")
    elif action == "promote":
        registry.promote(ref, **said)
    elif action == "rollback":
        registry.rollback(ref if number else registry.rollback_target(name), **said)
    elif action in (CANARY, SHADOW):
        channels.point(database, ref, action, 5, **said)
    elif action == "canary-end":
        channels.clear(database, name, CANARY, **said)
    elif action == "pin":
        channels.pin(database, "clinic", ref, **said)
    elif action == "unpin":
        channels.unpin(database, "clinic", name, **said)
    else:
        gc(registry, number)


def wanted(registry: Registry, keep: int) -> set[tuple[AdapterName, int]]:
    """The releases in reach, told from what people see of the adapters."""
    found = set[tuple[AdapterName, int]]()
    for name in (state.name for state in registry.adapters()):
        state = registry.state(name)
        newest = {release.number for release in state.releases if release.number > len(state.releases) - keep}
        found |= {(name, number) for number in newest - state.collected}
        found |= {(name, channel.number) for channel in state.channels.values() if channel.number}
        found |= {(name, number) for number in state.pins.values()}
        lived = [event.after for event in state.events if event.action in ("promote", "rollback")]
        found |= {(name, number) for number in lived if number is not None}
    return found


@given(acts=st.lists(ACTS, min_size=8, max_size=25), keep=st.integers(0, 3))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_done_what_is_in_reach_has_its_files(
    acts: list[tuple[str, str, int]], keep: int, base: BaseModel, plugins: PluginManager,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("collect")
    for seed in range(6):
        write_adapter(folder / str(seed), seed=seed)
    database = Database(f"sqlite:///{write_sqlite(folder / 'registry.db')}")
    registry = Registry(database, LocalStore.open(folder / "artifacts"), base, plugins, max_rank=8)
    for action, adapter, number in [*FIRST, *acts]:
        try:
            do(registry, folder, action, parse_adapter(adapter), number)
        except RegistryError:
            continue
    in_reach = wanted(registry, keep)
    gc(registry, keep)
    for name, number in in_reach:
        assert has_files(registry, number, name), name.release(number)
    for state in registry.adapters():
        gone = {release.number for release in state.releases if not has_files(registry, release.number, state.name)}
        assert gone <= state.collected
    assert gc(registry, keep, dry_run=True) == []
    assert log_holds(registry)
    database.close()
