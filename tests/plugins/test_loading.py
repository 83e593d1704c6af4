"""Plugins and their classes are found where they are, and where they have moved."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postil.plugins.errors import PluginLoadError, UnknownPluginError
from postil.plugins.installed import Source
from postil.plugins.loading import FOLDER, find, offered, sources, text_of
from tests.plugins.test_discovery import source

# A class that is made by a function stands nowhere.
MADE = source().replace("return [Quiet]", "return [type('Made', (Quiet,), {'name': 'made'})]")


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    """What is imported here is forgotten again."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in (FOLDER, "quiet_words")]:
        del sys.modules[name]


def written(folder: Path, text: str, name: str = "quiet.py") -> Source:
    """A file in the folder of plugins."""
    (folder / name).write_text(text)
    return Source(name, path=str(folder / name))


def installed(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A distribution with an entry point."""
    info = folder / "quiet_words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quiet_words\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[postil]\nquiet = quiet_words\n")
    (folder / "quiet_words.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return Source("quiet", "quiet_words", "", "quiet_words", "1.0")


def test_what_is_installed_is_listed_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = written(folder, "1 / 0")
    written(folder, "1 / 0", "_draft.py")
    point = installed(tmp_path, "1 / 0", monkeypatch)
    assert sources(folder) == [point, file]
    assert sources(folder, entry_points=False) == [file]
    assert sources(None, entry_points=False) == []
    with pytest.raises(PluginLoadError, match="none is not a folder of plugins; make it, or leave the setting out"):
        sources(tmp_path / "none")


def test_an_entry_point_is_loaded_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = installed(tmp_path, source(), monkeypatch)
    assert offered(point)["validator"]["quiet"].__module__ == "quiet_words"
    assert find(point, "validator", "quiet", ("quiet_words", "Quiet")).name == "quiet"


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    file = written(tmp_path, source())
    found = offered(file)["validator"]["quiet"]
    assert offered(file)["validator"]["quiet"] is found
    assert find(file, "validator", "quiet", (f"{FOLDER}.quiet", "Quiet")) is found


def test_a_file_may_import_another(tmp_path: Path) -> None:
    written(tmp_path, source(), "first.py")
    file = written(tmp_path, source().replace("class Told", f"import {FOLDER}.first\nclass Told"), "second.py")
    assert "quiet" in offered(file)["validator"]


def test_a_class_without_a_place_is_found_by_asking_its_plugin(tmp_path: Path) -> None:
    file = written(tmp_path, MADE)
    assert find(file, "validator", "made", (f"{FOLDER}.quiet", "Made")).name == "made"


def test_a_component_that_is_no_more_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnknownPluginError, match=r"the plugin quiet\.py has no validator other any more; start postil"):
        find(written(tmp_path, source()), "validator", "other", (f"{FOLDER}.other", "Other"))


def test_a_file_that_fails_is_forgotten_and_named(tmp_path: Path) -> None:
    with pytest.raises(PluginLoadError, match=r"the plugin quiet\.py cannot be loaded \(ZeroDivisionError"):
        offered(written(tmp_path, "1 / 0"))
    assert f"{FOLDER}.quiet" not in sys.modules


def test_an_error_that_ends_who_asks_for_its_text_ends_nobody() -> None:
    class Hostile(Exception):  # noqa: N818
        def __repr__(self) -> str:
            raise SystemExit

    assert text_of(Hostile()) == "an error that cannot be shown"
    assert text_of(ValueError("x" * 10_000)) == repr(ValueError("x" * 10_000))[:2000]
