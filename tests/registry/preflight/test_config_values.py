"""Configurations that are wrong in one value, whatever the value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.registry.base_model.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.preflight.adapter_config import Targets, layer_of, read_config
from postil.registry.preflight.preflight import preflight
from tests.registry.conftest import Refusal
from tests.registry.preflight.bad_adapters import good_config, good_tensors, write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
READ = [
    *good_config(), "init_lora_weights", "exclude_modules", "layers_to_transform", "layers_pattern", "use_x",
    "x_config",
]  # fmt: skip


def refused(tmp_path: Path, refusal: Refusal, option: str, value: object) -> str:
    """The sentence with which one option of an otherwise good adapter is refused."""
    return refusal(write(tmp_path / "adapter", good_tensors(), {**good_config(), option: value}))


@pytest.mark.parametrize("kind", ["lora", "", ["LORA"], 7])
def test_another_kind_of_adapter_is_refused(tmp_path: Path, refusal: Refusal, kind: object) -> None:
    sentence = f"peft_type is {kind!r}, and only LORA adapters can be served; train with PEFT's LoraConfig"
    assert refused(tmp_path, refusal, "peft_type", kind) == sentence


@pytest.mark.parametrize("rank", [9, 10**30])
def test_a_rank_that_is_too_large_is_refused(tmp_path: Path, refusal: Refusal, rank: int) -> None:
    assert refused(tmp_path, refusal, "r", rank) == (
        f"the rank is {rank}, and this gateway serves up to 8; train with a smaller r, or raise POSTIL_MAX_LORA_RANK"
    )


@pytest.mark.parametrize("rank", [True, None, [2], ""])
def test_a_rank_that_is_none_is_refused(tmp_path: Path, refusal: Refusal, rank: object) -> None:
    assert refused(tmp_path, refusal, "r", rank) == (
        f"the rank is {rank!r}, and it has to be a whole number from 1 to 8; save the adapter as it was trained"
    )


@pytest.mark.parametrize("alpha", [True, float("-inf"), 1e6, [1]])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, refusal: Refusal, alpha: object) -> None:
    assert refused(tmp_path, refusal, "lora_alpha", alpha) == (
        f"lora_alpha is {alpha!r}, and it has to be a number above 0 and below 1,000,000;"
        " save the adapter as it was trained"
    )


@pytest.mark.parametrize("option", ["rank_pattern", "alpha_pattern"])
@pytest.mark.parametrize("pattern", [{"(": 1}, {"q(?=x)": 1}, {str(number): 1 for number in range(1001)}, "x"])
def test_a_pattern_of_what_is_no_expression_or_of_too_many_keys_is_refused(
    tmp_path: Path, refusal: Refusal, option: str, pattern: object
) -> None:
    assert refused(tmp_path, refusal, option, pattern).startswith(f"{option} ")


@pytest.mark.parametrize(("option", "value"), [
    ("use_dora", False), ("modules_to_save", []), ("layer_replication", None), ("rank_pattern", None),
    ("alpha_pattern", {}), ("trainable_token_indices", {}), ("init_lora_weights", None), ("init_lora_weights", "EVA"),
    ("use_rslora", None), ("layers_pattern", []), ("layers_to_transform", []), ("exclude_modules", []),
    ("exclude_modules", "q_proj"),  # An expression, for which q_proj is the whole name of a module.
])  # fmt: skip
def test_an_option_that_is_not_used_is_taken(tmp_path: Path, base: BaseModel, option: str, value: object) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), option: value})
    assert preflight(folder, base, 8).rank == 2


@pytest.mark.parametrize(("option", "value"), [
    ("layers_to_transform", [True]), ("layers_to_transform", "0"), ("layers_pattern", [1]), ("exclude_modules", {}),
    ("target_modules", [["q_proj"]]), ("target_modules", 7),
])  # fmt: skip
def test_a_list_of_another_kind_is_refused(tmp_path: Path, refusal: Refusal, option: str, value: object) -> None:
    assert refused(tmp_path, refusal, option, value).startswith(f"{option} is {value!r}, and it has to be a list of ")


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"r": ' + b"9" * 5_000 + b"}", b"null", b'"LORA"', b"\0"])
def test_a_configuration_that_is_no_json_object_is_refused(adapter: Path, refusal: Refusal, text: bytes) -> None:
    (adapter / "adapter_config.json").write_bytes(text)
    sentence = refusal(adapter)
    assert sentence.startswith("adapter_config.json is ")
    assert sentence.endswith(", and it has to be a JSON object in UTF-8; save or copy the adapter again")


@given(option=st.sampled_from(READ) | st.text(), value=JSON)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_it_the_answer_is_yes_or_one_sentence(
    tmp_path: Path, base: BaseModel, option: str, value: object
) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), option: value})
    try:
        sentence = f"the rank is {preflight(folder, base, 8).rank}"
    except PreflightError as error:
        sentence = str(error)
    assert sentence.isprintable()
    assert len(sentence) < 700


def test_targets_are_whole_ends_of_a_modules_name() -> None:
    targets = Targets(frozenset({"q_proj", "mlp.up_proj"}), frozenset({"layers.0.mlp.up_proj"}))
    taken = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj", "q_proj"]
    left = ["model.layers.0.mlp.up_proj", "model.layers.1.xq_proj", "model.layers.1.up_proj", "q_proj.lora"]
    assert [module for module in taken + left if targets.take(module)] == taken


@pytest.mark.parametrize(
    ("lists", "layer"),
    [((), 3), (("layers",), 3), (("experts",), 12), (("blocks", "experts"), 12), (("blocks",), None)],
)
def test_a_layer_is_the_first_number_or_the_first_of_a_list(lists: tuple[str, ...], layer: int | None) -> None:
    assert layer_of("model.layers.3.mlp.experts.12.up_proj", lists) == layer


def test_layers_are_counted_in_the_lists_that_the_configuration_names() -> None:
    targets = Targets(frozenset({"up_proj"}), layers=frozenset({3}), layer_lists=("experts",))
    assert targets.take("model.layers.0.mlp.experts.3.up_proj")
    assert not targets.take("model.layers.3.mlp.experts.0.up_proj")
    assert not targets.take("model.layers.3.mlp.up_proj")


def test_the_first_key_that_means_a_module_decides_its_rank(tmp_path: Path) -> None:
    patterns = {"^q_proj": 3, "layers.1.q_proj": 4, "q_proj": 5, "model.layers.2.q_proj": 6}
    folder = write(tmp_path / "adapter", {}, {**good_config(), "rank_pattern": patterns})
    config = read_config(folder / "adapter_config.json", 8)
    modules = ["q_proj", "model.layers.1.q_proj", "model.layers.2.q_proj", "v_proj"]
    assert [config.rank_of(module) for module in modules] == [3, 4, 5, 2]
