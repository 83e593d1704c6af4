from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.releases.diff.weights import ModuleChange, Norms, Weights, by_kind, compare_weights
from tests.registry.preflight.bad_adapters import Array, as_bfloat16, write_tensors

Tensors = dict[str, Array]


def name_of(module: str, part: str) -> str:
    """A tensor's name as PEFT writes it."""
    return f"base_model.model.{module}.{part}.weight"


def pair(module: str, *, rank: int = 2, seed: int = 0, size: tuple[int, int] = (3, 5)) -> Tensors:
    """A and B of one module, by chance."""
    chance = np.random.default_rng(seed)
    features_out, features_in = size
    return {
        name_of(module, "lora_A"): chance.normal(size=(rank, features_in)).astype(np.float32),
        name_of(module, "lora_B"): chance.normal(size=(features_out, rank)).astype(np.float32),
    }


def written(path: Path, tensors: Tensors, *, dtype: str | None = None, **config: Any) -> Weights:
    """The weights of a file of these tensors."""
    write_tensors(path, tensors, dtype)
    return Weights.open(path, {"r": 2, "lora_alpha": 4, **config})


def compared(folder: Path, before: Tensors, after: Tensors, **config: Any) -> list[ModuleChange]:
    """The changes between two files; ``config`` is the second one's."""
    return compare_weights(written(folder / "before", before), written(folder / "after", after, **config))


def product(tensors: Mapping[str, Array], module: str, scale: float) -> Array:
    """What a module's tensors add to the base, multiplied out."""
    a, b = (tensors[name_of(module, part)].astype(np.float64) for part in ("lora_A", "lora_B"))
    return scale * (b @ a)


def shown(norms: Norms | None) -> float:
    """The relative change, which is there."""
    assert norms is not None
    assert norms.relative is not None
    return norms.relative


def test_the_same_bytes_are_identical(tmp_path: Path) -> None:
    (found,) = compared(tmp_path, pair("layers.0.q_proj"), pair("layers.0.q_proj"))
    assert (found.module, found.kind, found.layer, found.state) == ("layers.0.q_proj", "q_proj", 0, "identical")
    assert (shown(found.a), shown(found.b), shown(found.update)) == (0, 0, 0)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99), st.booleans())
def test_the_update_moves_as_the_product_itself_does_whatever_the_ranks(
    tmp_path_factory: pytest.TempPathFactory, before_rank: int, after_rank: int, seed: int, stabilised: bool
) -> None:
    before, after = pair("q", rank=before_rank, seed=seed), pair("q", rank=after_rank, seed=seed + 1)
    (found,) = compared(tmp_path_factory.mktemp("weights"), before, after, lora_alpha=7, use_rslora=stabilised)
    old = product(before, "q", 4 / before_rank)
    new = product(after, "q", 7 / (math.sqrt(after_rank) if stabilised else after_rank))
    assert shown(found.update) == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old))
    assert (found.a is None) == (before_rank != after_rank)


def test_a_and_b_are_told_apart(tmp_path: Path) -> None:
    before = pair("q")
    after = {**before, name_of("q", "lora_B"): 2 * before[name_of("q", "lora_B")]}
    (found,) = compared(tmp_path, before, after)
    assert found.state == "changed"
    assert (shown(found.a), shown(found.b)) == (0, 1)
    assert shown(found.update) == pytest.approx(1)


def test_the_same_tensors_under_another_alpha_move_the_update(tmp_path: Path) -> None:
    (found,) = compared(tmp_path, pair("q"), pair("q"), lora_alpha=8)
    assert found.state == "identical"
    assert shown(found.update) == pytest.approx(1)


@pytest.mark.parametrize(
    ("pattern", "moved"),
    [({"q_proj": 8}, 1), ({"layers.1.q_proj": 8}, 0), ({"^model.layers.0.q_proj": 2, "q_proj": 8}, 0.5), (None, 0)],
)
def test_a_module_may_have_an_alpha_of_its_own(tmp_path: Path, pattern: Any, moved: float) -> None:
    tensors = pair("model.layers.0.q_proj")
    (found,) = compared(tmp_path, tensors, tensors, alpha_pattern=pattern)
    assert shown(found.update) == pytest.approx(moved)


def test_modules_that_only_one_has_were_added_or_removed(tmp_path: Path) -> None:
    found = compared(tmp_path, pair("layers.1.q") | pair("layers.0.q"), pair("layers.1.q") | pair("layers.1.v"))
    assert [(one.module, one.state) for one in found] == [
        ("layers.0.q", "removed"), ("layers.1.q", "identical"), ("layers.1.v", "added"),
    ]  # fmt: skip


def test_layers_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    tensors = pair("layers.10.q") | pair("layers.9.q") | pair("head")
    assert [one.module for one in compared(tmp_path, tensors, tensors)] == ["head", "layers.9.q", "layers.10.q"]


def test_tensors_of_another_shape_have_no_change_of_their_own(tmp_path: Path) -> None:
    (found,) = compared(tmp_path, pair("q", size=(3, 5)), pair("q", size=(3, 6)))
    assert (found.state, found.a, found.update) == ("changed", None, None)
    assert found.b is not None


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_half_precision_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    plain = pair("q")
    halved = {name: as_bfloat16(array) if kind == "BF16" else array.astype("<f2") for name, array in plain.items()}
    before = written(tmp_path / "before", plain)
    after = written(tmp_path / "after", halved, dtype=kind)
    assert {tensor.dtype for tensor in after.tensors.values()} == {kind}
    (found,) = compare_weights(before, after)
    assert found.state == "changed"
    assert 0 < shown(found.a) < 0.01
    assert 0 < shown(found.update) < 0.01


def test_zeros_and_the_same_bytes_in_another_type_are_not_identical(tmp_path: Path) -> None:
    zeros = {name: np.zeros_like(array, "<f2") for name, array in pair("q").items()}
    before, after = written(tmp_path / "a", zeros, dtype="F16"), written(tmp_path / "b", zeros, dtype="BF16")
    (found,) = compare_weights(before, after)
    assert (found.state, shown(found.a), shown(found.update)) == ("changed", 0, 0)


def test_what_grew_out_of_nothing_has_no_share(tmp_path: Path) -> None:
    zeros = {name: np.zeros_like(array) for name, array in pair("q").items()}
    (found,) = compared(tmp_path, zeros, pair("q"))
    assert found.update is not None
    assert found.update.relative is None
    assert json.dumps([kind.update for kind in by_kind([found])]) == "[null]"


def test_a_note_in_the_header_is_no_tensor(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(pair("q"), tmp_path / "file", metadata={"format": "pt"})
    weights = Weights.open(tmp_path / "file", {})
    assert (list(weights.modules), len(weights.tensors)) == (["q"], 2)


def change(module: str, state: Any = "changed", a: Norms | None = None) -> ModuleChange:
    """One module's change, without what the test has no need of."""
    return ModuleChange(module, state, a)


def test_modules_are_summed_up_by_kind_and_state() -> None:
    found = by_kind(
        [
            *(change(f"model.layers.{number}.self_attn.q_proj") for number in (0, 2, 3, 4, 11)),
            change("model.layers.1.self_attn.q_proj", "added"), change("model.layers.0.mlp.up"), change("head"),
        ]
    )  # fmt: skip
    assert [(one.kind, one.state, one.layers, one.modules) for one in found] == [
        ("q_proj", "changed", "0, 2-4, 11", 5),
        ("q_proj", "added", "1", 1),
        ("up", "changed", "0", 1),
        ("head", "changed", "", 1),
    ]


def test_a_sum_weighs_modules_by_their_size() -> None:
    (found,) = by_kind([change("0.q", a=Norms(1, 99)), change("1.q", a=Norms(3, 1)), change("2.q")])
    assert found.a == pytest.approx(math.sqrt(4 / 100))
    assert found.b is None
