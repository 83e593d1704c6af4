"""Patterns of ranks and scales, resolved as PEFT resolves them, whatever stands in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.base_model.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.preflight.patterns import read_pattern
from postil.registry.preflight.preflight import preflight
from tests.fakes.adapter_draft import Draft, write_llama

MODULES = [
    f"model.layers.{layer}.{module}"
    for layer in (0, 1, 11)
    for module in ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj")
]
PIECES = [
    "q_proj", "v_proj", "up_proj", "layers", r"\.", ".", ".*", "1", r"\d+", "^", "$", "(", ")", "|", "[01]", "*", "+",
    "?", "(?:", "(?i)", "{1,2}", "{,2}", "[[:alpha:]]", "model", r"\b", r"\w", r"\Z", "self_attn", "[^q]",
]  # fmt: skip


def of_peft(keys: Iterable[str], module: str) -> str:
    """PEFT's own rule (``peft.utils.other.get_pattern_key``), which a test with PEFT compares this with."""
    return next((key for key in keys if re.match(rf"(.*\.)?({key})$", module)), module)


def values(pattern: dict[str, int]) -> dict[str, int]:
    """The value of each module."""
    read = read_pattern("rank_pattern", pattern)
    return {module: read.value(module, 0) for module in MODULES}


@pytest.mark.parametrize(
    ("pattern", "sixes"),
    [
        ({r".*layers\.1\..*q_proj": 6}, ["model.layers.1.self_attn.q_proj"]),
        ({r"layers\.\d\d\..*": 6}, [module for module in MODULES if ".11." in module]),
        ({r"(q|v)_proj": 6}, [module for module in MODULES if "attn" in module]),
        ({"q_proj": 5, r".*\.self_attn\..*": 6}, [module for module in MODULES if "v_proj" in module]),
        ({r"^model\.layers\.0\.mlp\.up_proj": 6}, ["model.layers.0.mlp.up_proj"]),
        ({r"^layers\.0\.mlp\.up_proj": 6}, []),
        ({r"up_pro": 6}, []),
    ],
)
def test_an_expression_means_the_modules_that_peft_would_take(pattern: dict[str, int], sixes: list[str]) -> None:
    assert [module for module, value in values(pattern).items() if value == 6] == sixes


@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), min_size=1, max_size=3))
def test_whatever_is_taken_means_what_it_means_to_peft(keys: list[str]) -> None:
    pattern = {key: number for number, key in enumerate(keys, 1)}
    try:
        found = values(pattern)
    except PreflightError:
        return
    assert found == {module: pattern.get(of_peft(pattern, module), 0) for module in MODULES}


@pytest.mark.parametrize(
    "key",
    [r"(?=x)q", r"(?i)q_proj", r"(q)\1", "a)|(b", "[[:alpha:]]", "q{,2}", r"q\Z", r"\pL", "q_proj\n", "ü", "a++", "*",
     "(x)" * 400, "(x{900}){900}"],
)  # fmt: skip
def test_what_re2_does_not_run_or_reads_otherwise_is_refused(key: str) -> None:
    with pytest.raises(PreflightError, match=r"has the key .*write the modules' names out"):
        read_pattern("alpha_pattern", {key: 1})


def test_an_expression_that_runs_for_ever_elsewhere_does_not_here() -> None:
    assert set(values({"(([a-z_.0-9]+)+)+!": 6}).values()) == {0}


@pytest.mark.parametrize("stated", [["q_proj"], "q_proj", {str(number): 1 for number in range(1001)}, 7])
def test_what_is_no_pattern_is_refused(stated: object) -> None:
    with pytest.raises(PreflightError, match="an object of at most 1,000 keys"):
        read_pattern("rank_pattern", stated)


def kept(folder: Path, base: BaseModel) -> dict[str, Any]:
    """The configuration that is kept of an adapter with expressions."""
    content = preflight(folder, base, 16).config
    assert content is not None
    found: dict[str, Any] = json.loads(content)
    return found


def test_what_the_engine_gets_are_plain_names_that_come_to_the_same(tmp_path: Path) -> None:
    base = write_llama(tmp_path / "base")
    draft = Draft(base)
    draft.add("model.layers.1.self_attn.q_proj", rank=8)
    draft.config["rank_pattern"] = {r".*layers\.1\..*q_proj": 8, r"nowhere.*": 2}
    draft.config["alpha_pattern"] = {r".*v_pro[j]": 3, r".*layers.0.*": 8}
    folder = draft.write(tmp_path / "adapter")
    found = kept(folder, base)
    assert found["rank_pattern"] == {"^model.layers.1.self_attn.q_proj": 8}
    assert found["alpha_pattern"] == {"v_proj": 3}
    assert {**found, "rank_pattern": 0, "alpha_pattern": 0} == {
        **json.loads((folder / "adapter_config.json").read_bytes()), "rank_pattern": 0, "alpha_pattern": 0,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(found))
    assert preflight(folder, base, 16).config is None, "what is kept is kept as it is when it is published again"
