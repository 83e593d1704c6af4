"""Adapters whose tensors are not what the base and the configuration ask for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.fakes.adapter_bad_configs import AGAIN, EMBEDDING, with_tensor
from tests.fakes.adapter_draft import PREFIX, Array, Draft, bad, stored
from tests.fakes.adapter_good import Q0, config, train

Change = Callable[[Draft], object]
A, B = "lora_A of model.layers.0.self_attn.q_proj is", "lora_B of model.layers.0.self_attn.q_proj is"
NEEDS = "with rank 4 needs"
TRAIN = "train the adapter on"
ABSENT = "no linear module of that name"
NO_LORA = "only base_model.model.*.lora_A.weight and lora_B.weight can be served"
ALONE = "save the adapter alone"
OUTSIDE = "only linear modules between them can be changed"
LEFT_OUT = "adapter_config.json leaves it out"
TOGETHER = "save weights and configuration together"
SAID = "adapter_config.json says that it is changed"
TYPES = "adapters are F32, F16, BF16"
SMALLER = "the engine fills up with zeros"
INCOMPLETE = "part of what was trained is lost"
IGNORED = "the engine passes the tensors over in silence"


def shape(part: str, act: Callable[[Array], Array]) -> Change:
    """Another shape of the first module's A or B."""
    return lambda draft: draft.reshape(part, act)


def lost(text: str, *targets: str) -> Change:
    """The tensors with this text in their name are lost."""

    def change(draft: Draft) -> None:
        draft.train(*targets or ("q_proj", "v_proj"))
        draft.drop(text)

    return change


def added(module: str) -> Change:
    """One more module."""
    return lambda draft: draft.add(module)


def cast(dtype: str) -> Change:
    """All tensors as another type."""

    def change(draft: Draft) -> None:
        draft.tensors = {name: stored(array, dtype) for name, (_, array) in draft.tensors.items()}

    return change


def unlike(rank: int, stated: int) -> Change:
    """Weights of one rank, and a configuration of another."""
    return train("q_proj", "v_proj", rank=rank, r=stated)


def lora_on_the_embedding(draft: Draft) -> None:
    tokens, features = draft.base.modules[EMBEDDING]
    draft.config["target_modules"].append("embed_tokens")
    draft.put(f"{EMBEDDING}.lora_embedding_A", slope(4, tokens))
    draft.put(f"{EMBEDDING}.lora_embedding_B", slope(features, 4))


def lora_on_the_head(draft: Draft) -> None:
    tokens, features = draft.base.modules[EMBEDDING]
    draft.config["target_modules"].append("lm_head")
    draft.put("lm_head.lora_A.weight", slope(4, features))
    draft.put("lm_head.lora_B.weight", slope(tokens, 4))


def slope(*shape: int) -> Array:
    """Values that differ from place to place."""
    return np.linspace(-0.1, 0.1, math.prod(shape)).reshape(shape)


def large(value: float) -> Change:
    """One value that is too large, or none."""
    return lambda draft: draft.spoil(value)


FINITE = ("the largest size allowed is 65504", "train again with a lower learning rate")

BAD_WEIGHTS = [
    bad("A too narrow", shape("lora_A", lambda a: a[:, :-8]), A, NEEDS, TRAIN, stricter=SMALLER),
    bad("A too wide", shape("lora_A", lambda a: np.concatenate([a, a], 1)), A, NEEDS, TRAIN),
    bad("A transposed", shape("lora_A", lambda a: a.T), A, NEEDS, TRAIN),
    bad("A flat", shape("lora_A", lambda a: a.reshape(-1)), A, NEEDS, TRAIN),
    bad("A of three dimensions", shape("lora_A", lambda a: a[None]), f"{A} 1x4x", NEEDS, TRAIN),
    bad("A a single number", shape("lora_A", lambda a: a[0, 0]), f"{A} a single number", NEEDS, TRAIN),
    bad("A without rows", shape("lora_A", lambda a: a[:0]), f"{A} 0x", NEEDS, TRAIN, stricter=SMALLER),
    bad("B too short", shape("lora_B", lambda b: b[:-8]), B, NEEDS, TRAIN, stricter=SMALLER),
    bad("B too long", shape("lora_B", lambda b: np.concatenate([b, b])), B, NEEDS, TRAIN),
    bad("B transposed", shape("lora_B", lambda b: b.T), f"{B} 4x", NEEDS, TRAIN),
    bad("all transposed", lambda draft: draft.each(lambda array: array.T), A, NEEDS, TRAIN),
    bad("rank above the stated", unlike(8, 4), f"{A} 8x", NEEDS, TRAIN, stricter="the scale is of another rank"),
    bad("rank below the stated", unlike(4, 8), f"{A} 4x", "with rank 8 needs 8x", TRAIN, stricter=SMALLER),
    bad("no B", lost("layers.0.self_attn.q_proj.lora_B"), f"{B} missing", NEEDS, AGAIN),
    bad("no A", lost("layers.0.self_attn.q_proj.lora_A"), f"{A} missing", NEEDS, AGAIN, stricter=IGNORED),
    bad("no A at all", lost("lora_A"), f"{A} missing", NEEDS, AGAIN, stricter=IGNORED),
    bad("no A of o_proj", lost("layers.0.self_attn.o_proj.lora_A", "o_proj"),
        "lora_A of model.layers.0.self_attn.o_proj",
        NEEDS, AGAIN),
    bad("a layer lost", lost("layers.1."), "tensors of model.layers.1.self_attn.q_proj are missing", SAID, AGAIN,
        stricter=INCOMPLETE),
    bad("all of v lost", lost("v_proj"), "tensors of v_proj are missing", SAID, AGAIN, stricter=INCOMPLETE),
    bad("a module not named", train("q_proj", "v_proj", "o_proj", target_modules=["q_proj", "v_proj"]),
        "model.layers.0.self_attn.o_proj is changed", LEFT_OUT, TOGETHER, stricter="PEFT goes by the configuration"),
    bad("layers not chosen", config(layers_to_transform=[0]), "self_attn.q_proj is changed", LEFT_OUT, TOGETHER,
        stricter="PEFT goes by the configuration"),
    bad("a module excluded", config(exclude_modules=["q_proj"]), "q_proj is changed", LEFT_OUT, TOGETHER,
        stricter="PEFT goes by the configuration"),
    bad("a module of another build", added("model.layers.0.self_attn.c_attn"), "c_attn is changed", ABSENT, TRAIN),
    bad("a block of another build", added("model.layers.0.cross_attn.q_proj"), "cross_attn.q_proj is changed", ABSENT,
        TRAIN, stricter=IGNORED),
    bad("layer 99", added("model.layers.99.self_attn.q_proj"), "model.layers.99.self_attn.q_proj is changed", ABSENT,
        TRAIN, stricter=IGNORED),
    bad("q as the engine fuses it", lambda draft: draft.rename("q_proj", "qkv_proj"), "qkv_proj is changed", ABSENT,
        TRAIN),
    bad("LoRA on a norm", added("model.norm"), "model.norm is changed", ABSENT, TRAIN),
    bad("LoRA on the embedding", lora_on_the_embedding, f"{EMBEDDING}.lora_embedding_A", OUTSIDE, "target_modules",
        stricter="it grows with the vocabulary"),
    bad("LoRA on the head", lora_on_the_head, "lm_head.lora_A.weight", OUTSIDE, "target_modules",
        stricter="it grows with the vocabulary"),
    bad("embedding beside", with_tensor(f"{EMBEDDING}.base_layer.weight"), f"{EMBEDDING}.base_layer.weight", OUTSIDE,
        "modules_to_save", stricter=IGNORED),
    bad("embedding whole", with_tensor(f"{EMBEDDING}.weight"), f"{EMBEDDING}.weight", OUTSIDE, "modules_to_save"),
    bad("DoRA unsaid", with_tensor(f"{Q0}.lora_magnitude_vector", 16),
        f"{Q0}.lora_magnitude_vector is not a LoRA tensor",
        NO_LORA, ALONE),
    bad("bias unsaid", with_tensor(f"{Q0}.bias", 16), f"{Q0}.bias is not a LoRA tensor", NO_LORA, ALONE),
    bad("no prefix", lambda draft: draft.rename(PREFIX, ""), "model.layers.0.self_attn.q_proj.lora_A.weight is not",
        NO_LORA, ALONE, stricter="PEFT passes the tensors over"),
    bad("half a prefix", lambda draft: draft.rename(PREFIX, "base_model."), "layers.0.self_attn.q_proj is changed",
        ABSENT, TRAIN, stricter=IGNORED),
    bad("the adapter's name within", lambda draft: draft.rename(".weight", ".default.weight"),
        "lora_A.default.weight is not a LoRA tensor", NO_LORA, ALONE),
    bad("small letters", lambda draft: draft.rename("lora_A", "lora_a"), "lora_a.weight is not", NO_LORA, ALONE),
    bad("NaN", large(np.nan), "v_proj.lora_B.weight holds NaN or infinite values", *FINITE),
    bad("Inf", large(np.inf), "v_proj.lora_B.weight holds NaN or infinite values", *FINITE),
    bad("-Inf", large(-np.inf), "v_proj.lora_B.weight holds NaN or infinite values", *FINITE),
    bad("the largest of float32", large(3.4e38), "holds a value of size 3.4e+38", *FINITE),
    bad("beyond float16", large(-1e5), "holds a value of size 1e+05", *FINITE,
        stricter="infinite in an engine of float16"),
    bad("float64", cast("F64"), "is of type F64", TYPES, "save it as one of these",
        stricter="twice the bytes for nothing"),
    bad("int8", cast("I8"), "is of type I8", TYPES, "save it as one of these",
        stricter="quantized, and nothing says how"),
    bad("int32", cast("I32"), "is of type I32", TYPES, "save it as one of these",
        stricter="no LoRA is of whole numbers"),
    bad("float8", cast("F8_E5M2"), "is of type F8_E5M2", TYPES, "save it as one of these",
        stricter="quantized, and nothing says how"),
    bad("truth values", cast("BOOL"), "is of type BOOL", TYPES, "save it as one of these",
        stricter="no LoRA is of truth values"),
    bad("no tensors", lambda draft: draft.tensors.clear(), "adapter_model.safetensors holds no tensors", "two for each",
        AGAIN),
]  # fmt: skip
