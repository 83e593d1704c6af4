"""Plugins that do their worst when they are imported, asked and set up: whoever asks gets a sentence, and goes on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postil.plugins import ConfigError
from postil.plugins.discovery import Bounds
from postil.plugins.errors import PluginLoadError
from postil.plugins.manager import PluginManager

TOP = """
import os, sys, time
from typing import Any
from postil.plugins import Config, FallbackRule, Validator, Verdict, hookimpl, window

class Told(Config):
    does: str = "nothing"
    word: str = "x"

class Quiet(Validator):
    '''Says nothing.'''
    name = "quiet"
    Config = Told

    def __init__(self, config):
        super().__init__(config)
        self.scope = window(len(config.word))
        {set_up}

    def judge(self, context, completion):
        return Verdict.passed()

@hookimpl
def postil_validators():
    {hook}
    return [Quiet]
"""
# A busy machine takes long to start a process: only what never ends is waited for no longer than for a moment.
BOUNDS = Bounds(import_seconds=60.0, set_up_seconds=60.0, memory_bytes=1 << 30)
HANG = "time.sleep(3600)"
SPIN = "while True: pass"
GARBAGE = """
for descriptor in range(3, 30):
    try: os.write(descriptor, b"garbage\\n")
    except OSError: pass
"""
WORST = [
    pytest.param("os._exit(3)", "its process ended with status 3", id="ends its process"),
    pytest.param("import ctypes; ctypes.string_at(0)", "its process ended with status -11", id="crashes"),
    pytest.param("raise SystemExit(2)", "SystemExit(2)", id="raises SystemExit"),
    pytest.param("raise KeyboardInterrupt", "KeyboardInterrupt()", id="raises KeyboardInterrupt"),
    pytest.param("x = bytearray(2 << 30)", "MemoryError()", id="eats memory"),
    pytest.param(GARBAGE, "it answered what makes no sense", id="writes where it must not"),
    pytest.param(
        "os.closerange(3, 99); time.sleep(60)", "it closed what was not its own", id="closes what is not its own"
    ),
]


def source(*, hook: str = "", set_up: str = "", name: str = "quiet") -> str:
    """A plugin that does so when its hook is asked, and when its validator is set up."""
    return TOP.replace("{hook}", hook).replace("{set_up}", set_up).replace('"quiet"', repr(name))


def managed(folder: Path, bounds: Bounds = BOUNDS, **other: Any) -> PluginManager:
    """The plugins of a folder."""
    return PluginManager(entry_points=False, folder=folder, bounds=bounds, **other)


def refused(folder: Path, bounds: Bounds = BOUNDS) -> str:
    """The sentence with which the plugins of a folder are refused."""
    with pytest.raises(PluginLoadError) as caught:
        managed(folder, bounds)
    return str(caught.value)


@pytest.mark.parametrize(("does", "why"), WORST)
def test_what_a_plugin_does_when_it_is_imported_is_told_in_a_sentence(tmp_path: Path, does: str, why: str) -> None:
    (tmp_path / "poor.py").write_text("import os, time\n" + does)
    assert refused(tmp_path) == f"the plugin poor.py cannot be loaded ({why}); mend or remove it"


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("os._exit(3)", "the plugin poor.py cannot be loaded (its process ended with status 3); mend or remove it"),
        ("sys.exit(4)", "the plugin poor.py cannot be loaded (SystemExit(4)); mend or remove it"),
        (
            "1 / 0",
            "a hook of postil_plugins_dir.poor raised ZeroDivisionError('division by zero'); mend or uninstall it",
        ),
    ],
)
def test_what_a_plugin_does_when_its_hook_is_asked_is_told_in_a_sentence(
    tmp_path: Path, does: str, sentence: str
) -> None:
    (tmp_path / "poor.py").write_text(source(hook=does))
    assert refused(tmp_path) == sentence


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("os._exit(3)", "it cannot be set up with this configuration (its process ended with status 3)"),
        ("sys.exit(4)", "it cannot be set up with this configuration (SystemExit(4))"),
        ("self.scope = 3", "its scope is 3; use FINAL, TOKEN or window(n)"),
        ("x = bytearray(2 << 30)", "it cannot be set up with this configuration (MemoryError())"),
    ],
)
def test_what_a_component_does_when_it_is_set_up_is_told_in_a_sentence(tmp_path: Path, does: str, why: str) -> None:
    (tmp_path / "poor.py").write_text(source(set_up=f"exec({does!r}) if config.does == 'worst' else None"))
    plugins = managed(tmp_path)
    with pytest.raises(ConfigError) as caught:
        plugins.make(plugins.validator("quiet"), {"does": "worst"})
    assert str(caught.value) == f"quiet: {why}"
    assert plugins.make(plugins.validator("quiet"), {"does": "nothing", "word": "two"}).scope.window == 3


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import time\n" + HANG, id="hangs"),
        pytest.param(SPIN, id="computes for ever"),
        pytest.param(source(hook=HANG), id="hangs when its hook is asked"),
    ],
)
def test_a_plugin_that_is_never_imported_is_told_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "poor.py").write_text(text)
    sentence = "the plugin poor.py cannot be loaded (it was not imported within 2 s); mend or remove it"
    assert refused(tmp_path, replace(BOUNDS, import_seconds=2.0)) == sentence


def test_a_component_that_is_never_set_up_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "poor.py").write_text(source(set_up=f"exec({HANG!r}) if config.does == 'worst' else None"))
    hurried = managed(tmp_path, replace(BOUNDS, set_up_seconds=2.0))
    with pytest.raises(ConfigError, match=r"^quiet: it was not set up within 2 s; mend or uninstall the plugin$"):
        hurried.make(hurried.validator("quiet"), {"does": "worst"})
    patient = managed(tmp_path, found=hurried.found)
    assert patient.make(patient.validator("quiet"), {"word": "two"}).scope.window == 3


def test_what_a_plugin_prints_is_kept_and_taken_for_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("print('{}')\n" + source(set_up="print('set up')"))
    plugins = managed(tmp_path, logs=tmp_path / "logs")
    plugins.make(plugins.validator("quiet"), {})
    assert (tmp_path / "logs" / "plugins-_setup.log").read_text() == "{}\nset up\n"


def test_a_log_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(source())
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(PluginLoadError, match=r"\(its process cannot be started: File exists\)"):
        managed(tmp_path, logs=tmp_path / "logs")


def test_a_huge_schema_is_refused(tmp_path: Path) -> None:
    huge = source().replace('word: str = "x"', 'word: str = "x" * (2 << 20)')
    (tmp_path / "poor.py").write_text(huge)
    assert "poor.py cannot be loaded (it answered with more than 1024 KiB)" in refused(tmp_path)


def test_a_schema_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "poor.py").write_text(source().replace('word: str = "x"', "word: type = int"))
    assert refused(tmp_path).startswith("quiet: its configuration has no JSON schema (")


def test_the_others_are_there_and_each_bad_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(source())
    (tmp_path / "poor.py").write_text("import os; os._exit(3)")
    (tmp_path / "twin.py").write_text(source())
    plugins = managed(tmp_path, lenient=True)
    assert plugins.validator("quiet").version == "1"
    assert plugins.problems == [
        "the plugin poor.py cannot be loaded (its process ended with status 3); mend or remove it",
        "two plugins offer 'quiet' (postil_plugins_dir.good and postil_plugins_dir.twin); rename one",
    ]


def test_plugins_are_imported_side_by_side(tmp_path: Path) -> None:
    met = tmp_path / "met"
    met.mkdir()
    for number in range(3):
        come = f"open({str(met / str(number))!r}, 'w').close()"
        wait = f"{come}\n    while len(os.listdir({str(met)!r})) < 3: time.sleep(0.01)"
        (tmp_path / f"plugin{number}.py").write_text(source(name=f"quiet-{number}", hook=wait))
    assert managed(tmp_path).validator("quiet-2").name == "quiet-2"


def test_nothing_of_a_plugin_is_imported_here(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(source())
    plugins = managed(tmp_path)
    plugins.make(plugins.validator("quiet"), {})
    assert not [name for name in sys.modules if name.startswith("postil_plugins_dir")]


def test_where_nothing_is_installed_no_process_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (tmp_path / "_draft.py").write_text("1 / 0")
    assert managed(tmp_path).problems == []
    (tmp_path / "quiet.py").write_text(source())
    assert "its process cannot be started: No such file or directory" in refused(tmp_path)


def test_what_another_process_found_is_not_looked_for_again(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(source() + f"\nopen({str(tmp_path / 'seen')!r}, 'a').write('x')\n")
    first = managed(tmp_path)
    again = managed(tmp_path, found=first.found)
    assert again.found == first.found
    assert again.list_components() == first.list_components()
    assert (tmp_path / "seen").read_text() == "x"


def test_a_component_is_set_up_again_for_another_configuration_only(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(source(set_up=f"open({str(tmp_path / 'seen')!r}, 'a').write(config.word)"))
    plugins = managed(tmp_path)
    for word in ("a", "a", "b", "a"):
        plugins.make(plugins.validator("quiet"), {"word": word})
    assert (tmp_path / "seen").read_text() == "ab"


def test_a_process_that_is_of_no_more_use_ends_and_the_next_is_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "quiet.py").write_text(source(set_up=f"open({str(pid)!r}, 'w').write(str(os.getpid()))"))
    plugins = managed(tmp_path, replace(BOUNDS, kept_seconds=0.05))
    plugins.make(plugins.validator("quiet"), {"word": "a"})
    first = pid.read_text()
    wait_for(lambda: not Path(f"/proc/{first}").exists())
    plugins.make(plugins.validator("quiet"), {"word": "b"})
    assert pid.read_text() != first


def test_a_question_that_comes_as_its_process_is_to_end_is_answered(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(source())
    plugins = managed(tmp_path, replace(BOUNDS, kept_seconds=0.0))
    for word in ("a", "ab", "abc"):
        made = plugins.make(plugins.validator("quiet"), {"word": word})
        assert made.scope.window == len(word)


def test_a_process_that_ended_by_itself_is_started_again(tmp_path: Path) -> None:
    ends = "import threading\n        threading.Timer(0.05, os._exit, (3,)).start() if config.word == 'a' else None"
    (tmp_path / "quiet.py").write_text(
        source(set_up=f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); " + ends)
    )
    plugins = managed(tmp_path, replace(BOUNDS, kept_seconds=60.0))
    plugins.make(plugins.validator("quiet"), {"word": "a"})
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    assert plugins.make(plugins.validator("quiet"), {"word": "bb"}).scope.window == 2


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds; fail after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()
