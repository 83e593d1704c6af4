from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from postil.gateway.engine.vllm_plugin.after_import import after_import


@pytest.fixture
def module_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that can be imported and is not yet."""
    (tmp_path / "postil_test_subject.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    yield "postil_test_subject"
    sys.modules.pop("postil_test_subject", None)
    sys.meta_path[:] = before


def change(module: ModuleType) -> None:
    module.value += 1  # type: ignore[attr-defined]


def test_a_module_is_changed_as_soon_as_it_is_imported_and_not_imported_for_that(module_name: str) -> None:
    after_import(module_name, change)
    assert module_name not in sys.modules
    assert importlib.import_module(module_name).value == 2


def test_a_module_that_is_imported_already_is_changed_at_once(module_name: str) -> None:
    module = importlib.import_module(module_name)
    after_import(module_name, change)
    assert module.value == 2


def test_a_change_is_made_once_however_often_it_is_asked_for(module_name: str) -> None:
    after_import(module_name, change)
    after_import(module_name, change)
    assert importlib.import_module(module_name).value == 2


def test_other_modules_and_missing_ones_are_none_of_its_business(module_name: str) -> None:
    after_import("postil_test_missing", change)
    assert importlib.import_module(module_name).value == 1
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("postil_test_missing")
