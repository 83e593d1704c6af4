"""Many at once: numbers stay consecutive, the log stays whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from postil.registry.accounts.tenants import add_tenant, tenants_and_keys
from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

T = TypeVar("T")
TRIAGE = AdapterName("healthcare", "triage")
MANY = 6


def at_once(act: Callable[[int], T]) -> list[T]:
    """What ``act`` returns in ``MANY`` threads that begin together; the first error of any is raised."""
    start = threading.Barrier(MANY)
    found, errors = list[T](), list[Exception]()

    def run(number: int) -> None:
        start.wait()
        try:
            found.append(act(number))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found


def log_holds(registry: Registry) -> bool:
    """Whether no row of the log was lost or written over."""
    with registry.database.read() as session:
        return first_break(store.events(session)) is None


def test_publishes_at_once_get_consecutive_numbers(registry: Registry, publish: Publish) -> None:
    assert sorted(at_once(lambda number: publish(seed=number))) == list(range(1, MANY + 1))
    assert len({release.artifact for release in registry.state(TRIAGE).releases}) == MANY
    assert log_holds(registry)


def test_the_same_published_at_once_is_one_release(registry: Registry, publish: Publish) -> None:
    assert at_once(lambda _: publish(seed=1)) == [1] * MANY
    (release,) = registry.state(TRIAGE).releases
    assert registry.artifacts.verified_path(release.artifact).is_dir()
    assert len(registry.state(TRIAGE).events) == 1


def test_adapters_published_at_once_are_numbered_apart(registry: Registry, publish: Publish) -> None:
    assert at_once(lambda number: publish(f"healthcare/a{number}", seed=number)) == [1] * MANY
    assert sum(state.default for state in registry.adapters()) == 1
    assert log_holds(registry)


def test_moves_at_once_happen_one_after_the_other(registry: Registry, publish: Publish) -> None:
    for seed in range(MANY):
        publish(seed=seed)
    at_once(lambda number: registry.promote(TRIAGE.release(number + 1), reason="", actor="ann"))
    moves = [event for event in registry.state(TRIAGE).events if event.action == "promote"]
    assert [event.before for event in moves] == [None, *(event.after for event in moves[:-1])]
    assert registry.state(TRIAGE).live == moves[-1].after
    assert log_holds(registry)


def test_only_one_of_many_can_make_the_same_release_live(registry: Registry, publish: Publish) -> None:
    publish()

    def act(_: int) -> bool:
        try:
            registry.promote(TRIAGE.release(1), reason="", actor="ann")
        except ConflictError:
            return False
        return True

    assert sorted(at_once(act)) == [*[False] * (MANY - 1), True]


def test_only_one_of_many_tenants_gets_a_name(registry: Registry) -> None:
    def act(_: int) -> bool:
        try:
            add_tenant(registry.database, "clinic", ["healthcare"], actor="ann")
        except ConflictError:
            return False
        return True

    assert sum(at_once(act)) == 1
    assert len(tenants_and_keys(registry.database)[0]) == 1
    assert log_holds(registry)
