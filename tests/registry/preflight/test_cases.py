"""The set of adapters that the real engine meets too (in tests/engine), and what preflight says to each."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.base_model.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.preflight.preflight import preflight
from tests.fakes.adapter_cases import CASES
from tests.fakes.adapter_draft import Case, write_llama

GOOD = [case for case in CASES if case.says is None]
BAD = [case for case in CASES if case.says is not None]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base of Llama's build."""
    return write_llama(tmp_path_factory.mktemp("llama") / "base")


def test_the_set_is_large_and_names_each_adapter_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert min(len(GOOD), len(BAD)) >= 40


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_adapter_is_taken(case: Case, llama: BaseModel, tmp_path: Path) -> None:
    assert preflight(case.write(tmp_path / "adapter", llama), llama, 16).parameters > 0


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_adapter_is_refused_with_what_was_found_what_is_allowed_and_what_to_do(
    case: Case, llama: BaseModel, tmp_path: Path
) -> None:
    with pytest.raises(PreflightError) as caught:
        preflight(case.write(tmp_path / "adapter", llama), llama, 16)
    sentence = str(caught.value)
    found, _, remedy = sentence.rpartition("; ")
    found, _, allowed = found.rpartition(", and ")
    assert case.says is not None
    for said, part in zip((found, allowed, remedy), case.says, strict=True):
        assert part in said, sentence
    assert sentence.isprintable()
    assert len(sentence) < 500
