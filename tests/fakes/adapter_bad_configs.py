"""Adapters that their configuration forbids to serve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.fakes.adapter_draft import CONFIG, Draft, bad
from tests.fakes.adapter_good import Q0, config, train

Change = Callable[[Draft], object]
EMBEDDING = "model.embed_tokens"
VARIANT = "only LoRA without it can be served"
FROZEN = "leave the frozen base as it is"
WHOLE = "a whole number from 1 to 16"
NUMBER = "a number above 0 and below 1,000,000"
AGAIN = "save or copy the adapter again"
TRAINED = "save the adapter as it was trained"
CONVERT = "save the adapter again with path_initial_model_for_weight_conversion"
UNNAMED = "the engine passes it over in silence"
UNKNOWN = "what it changes is not known here"
ELSEWHERE = "PEFT cannot read it"
OTHER_KIND = "PEFT finds no weights of that kind in it"


def without(*options: str) -> Change:
    """Options left out of the configuration."""
    return lambda draft: [draft.config.pop(option) for option in options]


def with_tensor(name: str, side: int | None = None, **options: object) -> Change:
    """Other values in the configuration, and the tensor that PEFT writes for them."""

    def change(draft: Draft) -> None:
        draft.config.update(options)
        features = draft.base.modules[EMBEDDING]
        draft.put(name, np.ones(features if side is None else side))

    return change


def prompt_tuning(draft: Draft) -> None:
    draft.tensors.clear()
    draft.put("prompt_embeddings", np.ones((8, 16)))
    draft.config.update(peft_type="PROMPT_TUNING", num_virtual_tokens=8)
    draft.config.pop("r")


def text(content: bytes) -> Change:
    """A configuration file of these bytes."""
    return lambda draft: draft.last(lambda folder: (folder / CONFIG).write_bytes(content))


def before(content: bytes) -> Change:
    """A configuration file that begins with these bytes."""
    return lambda draft: draft.last(
        lambda folder: (folder / CONFIG).write_bytes(content + (folder / CONFIG).read_bytes()[1:])
    )


def utf16(draft: Draft) -> None:
    draft.last(lambda folder: (folder / CONFIG).write_bytes((folder / CONFIG).read_text().encode("utf-16")))


BAD_CONFIGS = [
    bad("IA3", config(peft_type="IA3"), "peft_type is 'IA3'", "only LORA", "LoraConfig", stricter=OTHER_KIND),
    bad("LoHa", config(peft_type="LOHA"), "peft_type is 'LOHA'", "only LORA", "LoraConfig", stricter=OTHER_KIND),
    bad("prompt tuning", prompt_tuning, "peft_type is 'PROMPT_TUNING'", "only LORA", "LoraConfig"),
    bad("no peft_type", without("peft_type"), "peft_type is None", "only LORA", "LoraConfig", stricter=ELSEWHERE),
    bad("no rank", without("r"), "the rank is None", WHOLE, TRAINED),
    bad("rank 0", config(r=0), "the rank is 0", WHOLE, TRAINED),
    bad("rank below 0", config(r=-4), "the rank is -4", WHOLE, TRAINED),
    bad("rank 17", train("q_proj", rank=17), "the rank is 17", "serves up to 16", "train with a smaller r"),
    bad("rank in the thousands", config(r=4096), "the rank is 4096", "serves up to 16", "POSTIL_MAX_LORA_RANK"),
    bad("rank 4.0", config(r=4.0), "the rank is 4.0", WHOLE, TRAINED, stricter=ELSEWHERE),
    bad("rank 2.5", config(r=2.5), "the rank is 2.5", WHOLE, TRAINED, stricter=ELSEWHERE),
    bad("rank as text", config(r="4"), "the rank is '4'", WHOLE, TRAINED),
    bad("no alpha", without("lora_alpha"), "lora_alpha is None", NUMBER, TRAINED),
    bad("alpha NaN", config(lora_alpha=float("nan")), "lora_alpha is nan", NUMBER, TRAINED),
    bad("alpha infinite", config(lora_alpha=float("inf")), "lora_alpha is inf", NUMBER, TRAINED),
    bad("alpha 0", config(lora_alpha=0), "lora_alpha is 0", NUMBER, TRAINED, stricter="it answers as the base does"),
    bad("alpha below 0", config(lora_alpha=-8), "lora_alpha is -8", NUMBER, TRAINED,
        stricter="it takes away what was learned"),
    bad("alpha of a billion", config(lora_alpha=10**9), "lora_alpha is 1000000000", NUMBER, TRAINED,
        stricter="it drowns the base"),
    bad("alpha as text", config(lora_alpha="16"), "lora_alpha is '16'", NUMBER, TRAINED),
    bad("alpha of hundreds of digits", config(lora_alpha=10**400), "lora_alpha is 1000", NUMBER, TRAINED),
    bad("rank_pattern above the largest", config(rank_pattern={"q_proj": 17}), "rank of q_proj is 17", "up to 16",
        "train with a smaller r"),
    bad("rank_pattern as text", config(rank_pattern={"q_proj": "4"}), "rank of q_proj is '4'", WHOLE, TRAINED),
    bad("rank_pattern that the weights have not", config(rank_pattern={"q_proj": 8}), "lora_A of model.layers.0",
        "with rank 8 needs 8x", "train the adapter on", stricter="PEFT refuses it: the scale is of another rank"),
    bad("rank_pattern with what RE2 has not", config(rank_pattern={r"q_proj(?=x)": 4}), "the key 'q_proj(?=x)'",
        "only names and regular expressions of RE2", "write the modules' names out",
        stricter="the engine runs it, and it may take for ever"),
    bad("rank_pattern as an expression that may take for ever", config(rank_pattern={r"((a+)+)+\1": 4}), "the key",
        "only names and regular expressions of RE2", "write the modules' names out",
        stricter="the engine runs it, and it may take for ever"),
    bad("rank_pattern as a list", config(rank_pattern=["q_proj"]), "rank_pattern is ['q_proj']", "an object", AGAIN),
    bad("alpha_pattern as text", config(alpha_pattern={"q_proj": "16"}), "lora_alpha of q_proj is '16'", NUMBER,
        TRAINED),
    bad("no target_modules", without("target_modules"), "target_modules is missing", "name the modules", AGAIN),
    bad("target_modules null", config(target_modules=None), "target_modules is missing", "name the modules", AGAIN,
        stricter="PEFT chooses by its own table"),
    bad("target_modules of numbers", config(target_modules=[1]), "target_modules is [1]", "a list of str", AGAIN,
        stricter=ELSEWHERE),
    bad("DoRA", with_tensor(f"{Q0}.lora_magnitude_vector", 16, use_dora=True), "use_dora is True", VARIANT,
        "train without use_dora"),
    bad("QALoRA", config(use_qalora=True), "use_qalora is True", VARIANT, "train without use_qalora"),
    bad("BD-LoRA", config(use_bdlora={"nblocks": 2}), "use_bdlora is {'nblocks': 2}", VARIANT, "train without"),
    bad("aLoRA", config(alora_invocation_tokens=[1, 2]), "alora_invocation_tokens is [1, 2]", VARIANT, "train without"),
    bad("KaSA", config(kasa_config={}), "kasa_config is {}", VARIANT, "train without kasa_config", stricter=UNNAMED),
    bad("Arrow", config(arrow_config={"top_k": 2}), "arrow_config is {'top_k': 2}", VARIANT, "train without",
        stricter=UNNAMED),
    bad("MonteCLoRA", config(monteclora_config={}), "monteclora_config is {}", VARIANT, "train without",
        stricter=UNKNOWN),
    bad("Megatron", config(megatron_config={"tp": 2}), "megatron_config is {'tp': 2}", VARIANT, "train without",
        stricter=UNKNOWN),
    bad("a variant of tomorrow", config(use_newlora=True), "use_newlora is True", VARIANT, "train without use_newlora",
        stricter=UNKNOWN),
    bad("rsLoRA as text", config(use_rslora="false"), "use_rslora is 'false'", "true or false", AGAIN,
        stricter="any text is true to the engine"),
    bad("lora_bias", with_tensor(f"{Q0}.lora_B.bias", 16, lora_bias=True), "lora_bias is True", VARIANT,
        "train without"),
    bad("bias all", with_tensor(f"{Q0}.bias", 16, bias="all"), "bias is 'all'", "only 'none'",
        "train with bias='none'"),
    bad("bias lora_only", config(bias="lora_only"), "bias is 'lora_only'", "only 'none'", "train with bias='none'"),
    bad("bias null", config(bias=None), "bias is None", "only 'none'", "train with bias='none'"),
    bad("head saved whole", with_tensor("lm_head.weight", modules_to_save=["lm_head"]),
        "modules_to_save is ['lm_head']",
        VARIANT, "train without modules_to_save"),
    bad("embedding saved whole", with_tensor(f"{EMBEDDING}.weight", modules_to_save=["embed_tokens"]),
        "modules_to_save is ['embed_tokens']", VARIANT, "train without modules_to_save"),
    bad("classifier saved whole", config(modules_to_save=["score"]), "modules_to_save is ['score']", VARIANT,
        "train without modules_to_save", stricter="a text model has no classifier"),
    bad("layers replicated", config(layer_replication=[[0, 2], [1, 3]]), "layer_replication is [[0, 2], [1, 3]]",
        VARIANT, "train without layer_replication"),
    bad("tokens trained", config(trainable_token_indices=[1]), "trainable_token_indices is [1]", VARIANT,
        "train without trainable_token_indices", stricter=UNNAMED),
    bad("parameters targeted", config(target_parameters=["mlp.experts.gate_up_proj"]), "target_parameters is [",
        VARIANT, "train without target_parameters", stricter=UNNAMED),
    *(
        bad(f"init {init}", config(init_lora_weights=init), f"init_lora_weights is '{init}'", FROZEN, CONVERT)
        for init in ("pissa", "pissa_niter_4", "olora", "corda", "loftq", "an_init_of_tomorrow")
    ),
    bad("init lora_ga", config(init_lora_weights="lora_ga"), "init_lora_weights is 'lora_ga'", FROZEN, CONVERT,
        stricter="it changes the base as pissa does, and vLLM does not look"),
    bad("another base", config(base_model_name_or_path="meta-llama/Llama-3.2-1B"),
        "trained for meta-llama/Llama-3.2-1B", "this gateway serves", "train it on",
        stricter="shapes may agree by chance"),
    bad("not JSON", text(b"r: 4"), f"{CONFIG} is not JSON (Expecting value", "a JSON object in UTF-8", AGAIN),
    bad("cut off", text(b'{"r": 4,'), f"{CONFIG} is not JSON (Expecting property name", "a JSON object", AGAIN),
    bad("empty configuration", text(b""), f"{CONFIG} is not JSON", "a JSON object in UTF-8", AGAIN),
    bad("an array", text(b"[]"), f"{CONFIG} is []", "a JSON object in UTF-8", AGAIN),
    bad("UTF-16", utf16, f"{CONFIG} is not JSON ('utf-8' codec", "a JSON object in UTF-8", AGAIN),
    bad("not UTF-8", before(b'{"x": "\xff",'), f"{CONFIG} is not JSON ('utf-8' codec", "in UTF-8", AGAIN),
    bad("a key twice", before(b'{"r": 99,'), f"{CONFIG} is not JSON ('r' occurs twice)", "a JSON object", AGAIN,
        stricter="readers differ in which they take"),
    bad("2 MiB of configuration", config(note="x" * (2 << 20)), f"{CONFIG} has 2,098,1", "at most 1,048,576", AGAIN,
        stricter="no configuration is so large"),
]  # fmt: skip
