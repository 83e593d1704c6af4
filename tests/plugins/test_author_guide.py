"""The author guide is run: its plugins keep the contract, its policy and its settings are taken."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from postil.gateway.cli.scaffold import Kind
from postil.gateway.settings import Settings
from postil.plugins import hookspecs
from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.registry.policy.policy import build, parse_policy
from tests.support.paths import ROOT

GUIDE = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
FILES = {
    block.partition("\n")[0].removeprefix("# "): block
    for block in re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
}
PLUGINS = ("hedging", "others", "whole_words")


def blocks(language: str) -> list[str]:
    """The code of a language, in its order."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The guide's files in a folder on the path."""
    for name, source in FILES.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


@pytest.fixture
def plugins(guide: Path) -> PluginManager:
    """A gateway's plugins, with those of the guide."""
    return PluginManager([importlib.import_module(name) for name in PLUGINS], entry_points=False)


def test_every_piece_of_code_is_a_file(guide: Path) -> None:
    assert set(FILES) == {f"{name}.py" for name in (*PLUGINS, "test_guide")}


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)", GUIDE, re.MULTILINE))
def test_its_tests_pass(guide: Path, name: str) -> None:
    tests: ModuleType = importlib.import_module("test_guide")
    getattr(tests, name)()


def test_its_policy_is_taken(plugins: PluginManager) -> None:
    (policy,) = blocks("yaml")
    ((_, validator),) = build(parse_policy(policy), plugins).validators
    assert (validator.name, validator.scope.window) == ("hedging", len("it depends"))


def test_its_settings_are_taken(plugins: PluginManager) -> None:
    given, packaging = (tomllib.loads(block) for block in blocks("toml"))
    settings = Settings(**given)
    assert settings.router is not None
    named: list[type[Component]] = [plugins.router(settings.router.name)]
    named += [plugins.gate(use.name) for use in settings.gates]
    named += [plugins.listener(use.name) for use in settings.listeners]
    assert [component.name for component in named] == ["by-contract", "noted", "printer"]
    assert list(packaging["project"]["entry-points"]) == [hookspecs.PROJECT]


def test_it_names_every_hook_and_every_kind() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("postil_")]
    assert len(hooks) == len(Kind)
    assert [hook for hook in hooks if f"`{hook}`" not in GUIDE] == []


def test_a_plugin_of_the_guide_is_taken_as_a_single_file(guide: Path) -> None:
    (guide / "test_guide.py").unlink()
    offered = {component.name for component in PluginManager(entry_points=False, folder=guide).list_components()}
    assert offered >= {"hedging", "whole-word", "no-shouting", "calmer", "by-contract", "noted", "printer"}
