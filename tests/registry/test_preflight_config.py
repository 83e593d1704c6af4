"""Configurations that are wrong in one way each, and the sentence that says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.base.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.preflight import preflight
from tests.registry.adapters import good_config, good_tensors, write

UNSERVED = [
    ("use_dora", True),
    ("modules_to_save", ["lm_head"]),
    ("bias", "all"),
    ("bias", "lora_only"),
    ("rank_pattern", {"q_proj": 4}),
    ("alpha_pattern", {"q_proj": 4}),
    ("layer_replication", [[0, 1]]),
    ("lora_bias", True),
    ("fan_in_fan_out", True),
    ("trainable_token_indices", [1]),
    ("trainable_token_indices", {"embed_tokens": [1]}),
]


def refusal(folder: Path, base: BaseModel) -> str:
    """The sentence with which a folder is refused."""
    with pytest.raises(PreflightError) as caught:
        preflight(folder, base, 8)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refused_option(tmp_path: Path, base: BaseModel, option: str, value: object) -> str:
    """The sentence with which one option of an otherwise good adapter is refused."""
    return refusal(write(tmp_path / "adapter", good_tensors(), {**good_config(), option: value}), base)


@pytest.mark.parametrize("kind", ["IA3", "LOHA", "lora", "", None, ["LORA"]])
def test_another_kind_of_adapter_is_refused(tmp_path: Path, base: BaseModel, kind: object) -> None:
    sentence = f"peft_type is {kind!r}; only LORA adapters can be served"
    assert refused_option(tmp_path, base, "peft_type", kind) == sentence


@pytest.mark.parametrize("rank", [9, 4096, 10**30])
def test_a_rank_that_is_too_large_is_refused(tmp_path: Path, base: BaseModel, rank: int) -> None:
    assert refused_option(tmp_path, base, "r", rank) == (
        f"the rank is {rank}, and this gateway serves up to 8;"
        " train with a smaller r, or raise POSTIL_MAX_LORA_RANK"
    )


@pytest.mark.parametrize("rank", [0, -4, 2.0, True, "2", None, [2]])
def test_a_rank_that_is_none_is_refused(tmp_path: Path, base: BaseModel, rank: object) -> None:
    sentence = f"the rank r is {rank!r}; it has to be a whole number from 1 to 8"
    assert refused_option(tmp_path, base, "r", rank) == sentence


@pytest.mark.parametrize(("option", "value"), UNSERVED)
def test_an_option_that_the_engine_cannot_serve_is_refused(
    tmp_path: Path, base: BaseModel, option: str, value: object
) -> None:
    sentence = f"{option} is {value!r}, which vLLM cannot serve; train without {option}"
    assert refused_option(tmp_path, base, option, value) == sentence


@pytest.mark.parametrize("alpha", [0, -1, None, "16", True, float("nan"), float("inf"), 1e6, 10**400])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, base: BaseModel, alpha: object) -> None:
    sentence = f"lora_alpha is {alpha!r}; it has to be a number above 0"
    assert refused_option(tmp_path, base, "lora_alpha", alpha) == sentence


def test_an_adapter_for_another_base_is_refused(tmp_path: Path, base: BaseModel) -> None:
    assert refused_option(tmp_path, base, "base_model_name_or_path", "meta/llama") == (
        "the adapter was trained for meta/llama, and this gateway serves tiny/base; train it on tiny/base"
    )


@pytest.mark.parametrize(
    "text", [b"", b"{'r': 2}", b'{"r": 2', b"\xff\xfe\xff", b"[" * 100_000, b'{"r": ' + b"9" * 5_000 + b"}"]
)
def test_a_configuration_that_is_not_json_is_refused(tmp_path: Path, base: BaseModel, text: bytes) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), good_config())
    (folder / "adapter_config.json").write_bytes(text)
    sentence = refusal(folder, base)
    assert sentence.startswith("adapter_config.json is not JSON (")
    assert sentence.endswith("); save the adapter again")


@pytest.mark.parametrize("text", ["[]", '"LORA"', "null", "3"])
def test_a_configuration_that_is_not_an_object_is_refused(tmp_path: Path, base: BaseModel, text: str) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), good_config())
    (folder / "adapter_config.json").write_text(text)
    assert refusal(folder, base) == "adapter_config.json is not a JSON object; save the adapter again"
