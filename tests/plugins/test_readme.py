"""The validator that the README shows is run as it stands there."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from postil.plugins import Completion, RequestContext, Validator, Verdict
from postil.plugins.manager import PluginManager
from tests.support.paths import ROOT

README = ROOT / "README.md"


@pytest.fixture
def shown() -> ModuleType:
    """The README's plugin as a module."""
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (source,) = [block for block in blocks if "@hookimpl" in block]
    module = ModuleType("shown_in_readme")
    exec(compile(source, "README.md", "exec"), module.__dict__)
    return module


def test_the_validator_in_the_readme_is_one_that_postil_takes(shown: ModuleType) -> None:
    assert PluginManager([shown], entry_points=False).validator("no-promises") is shown.NoPromises


@pytest.mark.parametrize(("text", "ok"), [("This will cure you.", False), ("See a doctor.", True)])
def test_the_validator_in_the_readme_judges(shown: ModuleType, context: RequestContext, text: str, ok: bool) -> None:
    validator: Validator = shown.NoPromises.from_mapping({})
    verdict = validator.judge(context, Completion(text))
    assert isinstance(verdict, Verdict)
    assert verdict.ok is ok


def test_it_is_as_short_as_promised(shown: ModuleType) -> None:
    text = README.read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if "@hookimpl" in block]
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
