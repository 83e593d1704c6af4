"""Adapters that are taken, and that the engine answers with as PEFT does."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.adapter_draft import ALL_LINEAR, Draft, config_of_peft, good, stored

Change = Callable[[Draft], object]
Q0 = "model.layers.0.self_attn.q_proj"


def config(**options: object) -> Change:
    """Other values in the configuration."""
    return lambda draft: draft.config.update(options)


def train(
    *targets: str, rank: int = 4, dtype: str = "F32", layers: list[int] | None = None, **options: object
) -> Change:
    """Other weights, and other values in the configuration."""

    def change(draft: Draft) -> None:
        draft.train(*targets, rank=rank, dtype=dtype, layers=layers)
        draft.config.update(options)

    return change


def as_written_by_hand(draft: Draft) -> None:
    draft.config = {key: draft.config[key] for key in ("peft_type", "r", "lora_alpha", "target_modules")}


def mixed_types(draft: Draft) -> None:
    for at, (name, (_, array)) in enumerate(draft.tensors.items()):
        draft.tensors[name] = stored(array, ("F32", "F16", "BF16")[at % 3])


def another_rank_in_one_module(draft: Draft) -> None:
    draft.add(Q0, rank=8)
    draft.config["rank_pattern"] = {Q0: 8}


def patterns_and_rslora(draft: Draft) -> None:
    another_rank_in_one_module(draft)
    draft.config.update(use_rslora=True, alpha_pattern={"v_proj": 3, "self_attn.q_proj": 12.5})


def anchored_pattern(draft: Draft) -> None:
    another_rank_in_one_module(draft)
    draft.config["rank_pattern"] = {"q_proj.nowhere": 2, f"^{Q0}": 8}


def pattern_as_an_expression(draft: Draft) -> None:
    another_rank_in_one_module(draft)
    draft.config.update(
        rank_pattern={r".*layers\.0\..*q_proj": 8}, alpha_pattern={r"layers\.[1-9]\d*\.self_attn\.(q|v)_proj": 3}
    )


def one_layer_excluded(draft: Draft) -> None:
    draft.train("q_proj", "v_proj", layers=range(1, draft.layers))
    draft.config["exclude_modules"] = [Q0, "layers.0.self_attn.v_proj"]


def no_metadata(draft: Draft) -> None:
    draft.metadata = None


def more_metadata(draft: Draft) -> None:
    draft.metadata = {"format": "pt", "trained_by": "ann", "naïve": "\u2713"}


def files_beside(draft: Draft) -> None:
    draft.last(lambda folder: (folder / "README.md").write_text("# Triage"))
    draft.last(lambda folder: (folder / "tokenizer.json").write_text("{}"))
    draft.last(lambda folder: (folder / "added_tokens.json").write_text('{"<|im_end|>": 2}'))


def newer_peft(draft: Draft) -> None:
    draft.config |= config_of_peft(4, 8, ("q_proj", "v_proj"), draft.base.id)
    draft.config |= {"peft_version": "0.99.0", "some_new_option": 3, "use_new_variant": False, "new_config": None}


GOOD = [
    good("q and v, rank 4", lambda _: None),
    good("all linear modules", train(*ALL_LINEAR)),
    good("rank 1", train("q_proj", "v_proj", rank=1)),
    good("rank 8", train("q_proj", "v_proj", rank=8)),
    good("rank 16, the largest", train("q_proj", "v_proj", rank=16)),
    good("odd rank, odd alpha", train("q_proj", "v_proj", rank=5, lora_alpha=7)),
    good("alpha below the rank", config(lora_alpha=0.5)),
    good("rsLoRA", config(use_rslora=True)),
    good("float16", train("q_proj", "v_proj", dtype="F16")),
    good("bfloat16", train("q_proj", "v_proj", dtype="BF16")),
    good("types mixed", mixed_types),
    good("only k", train("k_proj")),
    good("only up", train("up_proj")),
    good("only o and down", train("o_proj", "down_proj")),
    good("two layers", train("q_proj", "v_proj", layers=[0, 2], layers_to_transform=[0, 2])),
    good("one layer of a named list", train("o_proj", layers=[1], layers_to_transform=1, layers_pattern="layers")),
    good("one module by its whole name", train("q_proj", layers=[0], target_modules=[Q0], lora_alpha=200)),
    good("targets as an expression", config(target_modules=r"model\.layers\.\d+\.self_attn\.[qv]_proj")),
    good("targets all-linear", train(*ALL_LINEAR, target_modules="all-linear")),
    good("some modules excluded", one_layer_excluded),
    good("excluded by an expression", config(exclude_modules=r".*\.mlp\..*")),
    good("a name the base does not have", config(target_modules=["q_proj", "v_proj", "query_key_value"])),
    good("rank_pattern", another_rank_in_one_module),
    good("rank_pattern, anchored", anchored_pattern),
    good("patterns as expressions", pattern_as_an_expression),
    good("alpha_pattern", config(alpha_pattern={"q_proj": 16})),
    good("both patterns and rsLoRA", patterns_and_rslora),
    good("dropout", config(lora_dropout=0.1)),
    good("init false", config(init_lora_weights=False)),
    good("init gaussian", config(init_lora_weights="gaussian")),
    good("init orthogonal", config(init_lora_weights="orthogonal")),
    good("init eva", config(init_lora_weights="eva", eva_config={"rho": 2.0, "tau": 0.99})),
    good("lora_ga_config unused", config(lora_ga_config={"direction": "ArB2r"})),
    good("inference_mode false", config(inference_mode=False)),
    good("fan_in_fan_out", config(fan_in_fan_out=True)),
    good("corda_config unused", config(corda_config={"corda_method": "kpm"})),
    good("loftq_config unused", config(loftq_config={"loftq_bits": 4})),
    good("velora_config", config(velora_config={"num_groups": 32})),
    good("ensure_weight_tying", config(ensure_weight_tying=True)),
    good("qalora_group_size alone", config(qalora_group_size=32)),
    good("options of a newer PEFT", newer_peft),
    good("written by hand", as_written_by_hand),
    good("no task", config(task_type=None)),
    good("base not named", config(base_model_name_or_path=None)),
    good("base named by a folder", config(base_model_name_or_path="/home/ann/models/base")),
    good("fresh: B all zero", lambda draft: draft.each(lambda array: array * 0, "lora_B")),
    good("no metadata", no_metadata),
    good("more metadata", more_metadata),
    good("files beside", files_beside),
]
