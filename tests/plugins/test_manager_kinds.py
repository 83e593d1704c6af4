"""Every kind of plugin is found by its name, wherever it comes from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postil.plugins import ConfigError, Listener, Validator, hookimpl, window
from postil.plugins.errors import PluginLoadError, UnknownPluginError
from postil.plugins.manager import PluginManager
from tests.plugins.broken import good

SINGLE = """
from postil.plugins import Listener, Validator, Verdict, hookimpl

class Quiet(Validator):
    name = "quiet"

    def judge(self, exchange, completion):
        return Verdict.passed()

@hookimpl
def postil_validators():
    return [Quiet]
"""


class Offering:
    """One of each."""

    @hookimpl
    def postil_validators(self) -> list[type[Validator]]:
        """A validator."""
        return [good.Good]

    @hookimpl
    def postil_input_checks(self) -> list[type[good.GoodCheck]]:
        """A check."""
        return [good.GoodCheck]

    @hookimpl
    def postil_fallback_rules(self) -> list[type[good.GoodRule]]:
        """A rule."""
        return [good.GoodRule]

    @hookimpl
    def postil_routers(self) -> list[type[good.GoodRouter]]:
        """A router."""
        return [good.GoodRouter]

    @hookimpl
    def postil_gates(self) -> list[type[good.GoodGate]]:
        """A gate."""
        return [good.GoodGate]

    @hookimpl
    def postil_listeners(self) -> list[type[good.GoodListener]]:
        """A listener."""
        return [good.GoodListener]


def test_each_kind_has_its_names() -> None:
    plugins = PluginManager([Offering()], entry_points=False)
    assert plugins.validator("good") is good.Good
    assert plugins.input_check("good-check") is good.GoodCheck
    assert plugins.fallback_rule("good-rule") is good.GoodRule
    assert plugins.router("good-router") is good.GoodRouter
    assert plugins.gate("good-gate") is good.GoodGate
    assert plugins.listener("good-listener") is plugins.component("listener", "good-listener")
    with pytest.raises(UnknownPluginError, match="no router is called 'good-gate'; did you mean good-router"):
        plugins.router("good-gate")


def test_what_is_given_in_code_is_trusted_and_a_file_in_a_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(SINGLE)
    (tmp_path / "_draft.py").write_text("1 / 0")
    plugins = PluginManager([Offering()], entry_points=False, folder=tmp_path)
    assert plugins.is_builtin(good.Good)
    assert not plugins.is_builtin(plugins.validator("quiet"))


LEAVING = SINGLE.replace("def judge", "def __init__(self, config):\n        raise SystemExit(3)\n\n    def judge")


def test_a_file_in_a_folder_that_ends_the_process_while_it_is_set_up_does_not(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    plugins = PluginManager([Offering()], entry_points=False, folder=tmp_path)
    assert plugins.make(good.Good, {"word": "poor"}).config.word == "poor"
    with pytest.raises(ConfigError, match=r"quiet: it cannot be set up with this configuration \(SystemExit\(3\)\)"):
        plugins.make(plugins.validator("quiet"), {})


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginLoadError, match="none is not a folder of plugins; make it, or leave the setting out"):
        PluginManager(entry_points=False, folder=tmp_path / "none")


def test_a_window_has_a_character_at_least() -> None:
    assert window(1).window == 1
    with pytest.raises(ValueError, match="a window of 0 characters cannot be; give 1 or more"):
        window(0)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs a module with an entry point, for as long as the test runs."""
    before = set(sys.modules)

    def install(module: str, source: str) -> None:
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[postil]\n{module} = {module}\n")
        (tmp_path / f"{module}.py").write_text(source)

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    assert not {"quiet_plugin", "poor_plugin"} & set(sys.modules) - before


def test_what_is_installed_is_found_and_not_trusted(installed: Callable[[str, str], None]) -> None:
    installed("quiet_plugin", SINGLE)
    plugins = PluginManager()
    assert not plugins.is_builtin(plugins.validator("quiet"))


def test_what_is_installed_and_cannot_be_loaded_is_named(installed: Callable[[str, str], None]) -> None:
    installed("poor_plugin", "1 / 0")
    with pytest.raises(PluginLoadError, match="the installed plugin poor_plugin cannot be loaded"):
        PluginManager()


def test_a_listener_with_the_method_of_an_earlier_version_is_told_the_new_name() -> None:
    class Old(Listener):
        name = "old"

        def hear(self, happening: object) -> None:
            """As it was."""

    class Plugin:
        @hookimpl
        def postil_listeners(self) -> list[type[Listener]]:
            return [Old]  # type: ignore[type-abstract]

    with pytest.raises(PluginLoadError, match="old: `hear` is now called `handle`"):
        PluginManager([Plugin()], entry_points=False)
