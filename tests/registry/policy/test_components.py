"""Which versions of its plugins a policy is answered with."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from postil.plugins import Completion, RequestContext, Validator, Verdict, hookimpl
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.components import (
    ComponentVersion,
    Mismatch,
    check_pinned,
    components_of,
    digest,
    mismatches,
    record,
)
from postil.registry.policy.policy import Policy, policy_from
from tests.plugins.test_entry_points import GOOD, install

POLITE = policy_from({"validators": [{"name": "polite"}]})
STRICT = policy_from({"validators": [{"name": "polite"}], "pinned": "strict"})


class Polite(Validator):
    """In code, as an embedding application would have it."""

    name = "polite"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


class Politer(Polite):
    version = "2"


class Offering:
    """A plugin with one validator."""

    def __init__(self, validator: type[Validator]) -> None:
        self.validator = validator

    @hookimpl
    def postil_validators(self) -> list[type[Validator]]:
        return [self.validator]


def offering(validator: type[Validator]) -> PluginManager:
    """The built-ins and one more."""
    return PluginManager([Offering(validator)], entry_points=False)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    """With the validator of an installed package."""
    install(tmp_path, "polite_words", GOOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return PluginManager()


def test_every_plugin_of_a_policy_is_named_once_with_its_version(plugins: PluginManager) -> None:
    policy = policy_from({
        "output": {"labels": ["a", "b"]}, "input": [{"name": "input_length"}], "validators": [{"name": "labels"}],
        "fallback": [{"name": "base"}, {"name": "base"}],
    })  # fmt: skip
    found = components_of(policy, plugins)
    assert [(one.kind, one.name, one.distribution) for one in found] == [
        ("fallback rule", "base", "postil"), ("input check", "input_length", "postil"),
        ("validator", "labels", "postil"),
    ]  # fmt: skip
    assert components_of(Policy(), plugins) == []


def test_the_package_that_brings_a_plugin_is_part_of_its_version(package: PluginManager) -> None:
    (found,) = components_of(POLITE, package)
    assert found == ComponentVersion("validator", "polite", "1", "polite_words", "1.0")
    assert str(found) == "version 1 of polite_words 1.0"
    assert digest([found]) != digest([found._replace(distribution_version="1.1")])


def test_a_plugin_of_a_single_file_has_no_package() -> None:
    (found,) = components_of(POLITE, offering(Polite))
    assert (found.distribution, found.distribution_version, str(found)) == ("", "", "version 1")


def test_of_a_builtin_its_own_version_counts_and_postils_does_not(plugins: PluginManager) -> None:
    (found,) = components_of(policy_from({"fallback": [{"name": "base"}]}), plugins)
    later = found._replace(distribution_version="99")
    assert digest([found]) == digest([later])
    assert mismatches(record([later]), plugins) == ()
    assert digest([found]) != digest([found._replace(version="99")])


def test_a_plugin_of_another_version_or_none_is_a_mismatch(plugins: PluginManager) -> None:
    known = components_of(POLITE, offering(Polite))
    assert mismatches(record(known), offering(Polite)) == ()
    (newer,) = mismatches(record(known), offering(Politer)) or ()
    assert str(newer) == "polite was published with version 1, and installed is version 2"
    assert mismatches(record(known), plugins) == (Mismatch(known[0], None),)
    assert str(Mismatch(known[0], None)) == "polite was published with version 1, and none is installed"


def test_where_nothing_was_recorded_it_is_unknown_and_served(plugins: PluginManager) -> None:
    assert mismatches(None, plugins) is None
    check_pinned(STRICT, None)


def test_only_a_strict_policy_refuses_another_version() -> None:
    found = mismatches(record(components_of(POLITE, offering(Polite))), offering(Politer))
    check_pinned(POLITE, found)
    check_pinned(STRICT, ())
    with pytest.raises(PolicyError) as caught:
        check_pinned(STRICT, found)
    assert str(caught.value) == (
        "policy: polite was published with version 1, and installed is version 2: install what it was published with,"
        " or publish it again (it is pinned: strict)"
    )


def test_a_policy_that_says_nothing_of_versions_keeps_its_digest() -> None:
    assert policy_from({"pinned": "warn"}).digest() == Policy().digest()
    assert STRICT.digest() != POLITE.digest()
    with pytest.raises(PolicyError, match="pinned"):
        policy_from({"pinned": "never"})
