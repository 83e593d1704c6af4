"""A release is what it was published with: the versions of its plugins too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postil.registry.db.database import Database
from postil.registry.db.tables import Release
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Policy, policy_from
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter
from tests.registry.policy.test_components import POLITE, Polite, Politer, offering

NOTES = AdapterName("legal", "notes")
BUILTIN = policy_from({"output": {"labels": ["a", "b"]}, "validators": [{"name": "labels"}]})


def publish(registry: Registry, policy: Policy = POLITE) -> tuple[int, bool]:
    """The same files each time."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter")
        release, new = registry.publish(made, NOTES, policy, note="", actor="ann")
    return release.number, new


def forget_versions(registry: Registry) -> None:
    """Make the first release one from before versions were recorded."""
    with registry.database.write() as session:
        row = session.get(Release, 1)
        assert row is not None
        row.components, row.components_digest = None, ""


def test_published_again_with_another_version_of_a_plugin_it_is_another_release(registry: Registry) -> None:
    before, after = replace(registry, plugins=offering(Polite)), replace(registry, plugins=offering(Politer))
    assert [publish(before), publish(before), publish(after), publish(after)] == [
        (1, True), (1, False), (2, True), (2, False),
    ]  # fmt: skip
    assert publish(before) == (1, False)
    known = registry.release(NOTES.release(2)).components or []
    assert [(one["name"], one["version"], one["distribution"]) for one in known] == [("polite", "2", "")]


def test_a_release_from_before_versions_were_recorded_is_the_same_where_all_is_built_in(registry: Registry) -> None:
    publish(registry, BUILTIN)
    forget_versions(registry)
    assert publish(registry, BUILTIN) == (1, False)
    assert registry.release(NOTES.release(1)).components is None


def test_a_release_from_before_versions_were_recorded_is_another_where_a_plugin_was_installed(
    registry: Registry,
) -> None:
    with_plugin = replace(registry, plugins=offering(Polite))
    publish(with_plugin)
    forget_versions(registry)
    assert publish(with_plugin) == (2, True)


def test_going_back_to_tables_that_cannot_tell_two_releases_apart_is_refused(
    registry: Registry, database: Database
) -> None:
    for validator in (Polite, Politer):
        publish(replace(registry, plugins=offering(validator)))
    with pytest.raises(RuntimeError, match="differ in the versions of their plugins alone"):
        database.downgrade("0008")
    assert registry.release(NOTES.release(2)).components is not None


def test_releases_from_before_come_through_the_migration_as_unknown(registry: Registry, database: Database) -> None:
    publish(registry, BUILTIN)
    database.downgrade("0008")
    database.migrate()
    found = registry.release(NOTES.release(1))
    assert (found.components, found.components_digest, found.validators) == (None, "", {"labels": "1"})
