"""What may be published: read the configuration and the headers, load no code, no pickle and no torch.

Every refusal says what was found, what is allowed and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.base.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.tensors import read_tensors

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
_ALLOWED = frozenset({".json", ".safetensors", ".md", ".txt", ".jinja", ".yaml"})
_PREFIX = "base_model.model."
# Options of PEFT that the engine cannot serve, with the value that means "not used".
_UNSERVED: Mapping[str, tuple[object, ...]] = {
    "use_dora": (False, None),
    "modules_to_save": (None, []),
    "bias": ("none", None),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "layer_replication": (None, []),
    "lora_bias": (False, None),
    "fan_in_fan_out": (False, None),
    "trainable_token_indices": (None, [], {}),
}


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """What preflight learned: the rank, the kinds of modules changed, and the number of parameters."""

    rank: int
    targets: tuple[str, ...]
    parameters: int


def preflight(folder: Path, base: BaseModel, max_rank: int) -> AdapterInfo:
    """Check that the adapter in ``folder`` can be served on ``base``. Raises PreflightError."""
    _check_files(folder)
    config = _read_config(folder / CONFIG)
    rank = _check_config(config, base, max_rank)
    return _check_weights(folder / WEIGHTS, rank, base)


def _check_files(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix in _PICKLES:
            raise PreflightError(
                f"{name} is a pickle, which can run code when it is loaded; remove it (weights belong in {WEIGHTS})"
            )
        if suffix not in _ALLOWED or name.startswith("."):
            raise PreflightError(f"{name} does not belong to an adapter; remove it")
        if suffix == ".safetensors" and name != WEIGHTS:
            raise PreflightError(f"{name} is not {WEIGHTS}, the one weights file of an adapter; rename or remove it")
    for needed in (CONFIG, WEIGHTS):
        if needed not in names:
            raise PreflightError(f"{needed} is missing; publish the folder that PEFT's save_pretrained wrote")


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise PreflightError(f"{CONFIG} is not JSON ({error}); save the adapter again") from error
    if not isinstance(config, dict):
        raise PreflightError(f"{CONFIG} is not a JSON object; save the adapter again")
    return config


def _check_config(config: Mapping[str, Any], base: BaseModel, max_rank: int) -> int:
    if config.get("peft_type") != "LORA":
        raise PreflightError(f"peft_type is {config.get('peft_type')!r}; only LORA adapters can be served")
    rank = config.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise PreflightError(f"the rank r is {rank!r}; it has to be a whole number from 1 to {max_rank}")
    if rank > max_rank:
        raise PreflightError(
            f"the rank is {rank}, and this gateway serves up to {max_rank};"
            " train with a smaller r, or raise POSTIL_MAX_LORA_RANK"
        )
    for option, unused in _UNSERVED.items():
        if option in config and config[option] not in unused:
            raise PreflightError(f"{option} is {config[option]!r}, which vLLM cannot serve; train without {option}")
    _check_alpha(config.get("lora_alpha"))
    _check_base_name(config.get("base_model_name_or_path"), base)
    return rank


def _check_alpha(alpha: object) -> None:
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 < alpha < 1e6:
        raise PreflightError(f"lora_alpha is {alpha!r}; it has to be a number above 0")


def _check_base_name(name: object, base: BaseModel) -> None:
    """Only two hub ids can be compared: a folder's name says nothing of what is in it."""
    if not isinstance(name, str) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        return
    if base.id.count("/") == 1 and name.casefold() != base.id.casefold():
        raise PreflightError(
            f"the adapter was trained for {name}, and this gateway serves {base.id}; train it on {base.id}"
        )


def _check_weights(path: Path, rank: int, base: BaseModel) -> AdapterInfo:
    shapes: dict[str, tuple[int, ...]] = {}
    for tensor in read_tensors(path):
        if not tensor.finite():
            raise PreflightError(f"{tensor.name} holds NaN or infinite values; train again with a lower learning rate")
        shapes[tensor.name] = tensor.shape
    modules = {_module(name) for name in shapes}
    if not modules:
        raise PreflightError(f"{WEIGHTS} holds no tensors; save the adapter again")
    for module in sorted(modules):
        _check_module(module, shapes, rank, base)
    return AdapterInfo(
        rank,
        tuple(sorted({module.rpartition(".")[2] for module in modules})),
        sum(a * b for a, b in shapes.values()),
    )


def _module(name: str) -> str:
    """``base_model.model.<module>.lora_A.weight`` -> ``<module>``."""
    for suffix in (".lora_A.weight", ".lora_B.weight"):
        if name.startswith(_PREFIX) and name.endswith(suffix):
            return name.removeprefix(_PREFIX).removesuffix(suffix)
    raise PreflightError(
        f"{name} is not a LoRA tensor ({_PREFIX}*.lora_A.weight or lora_B); save only the adapter, without whole layers"
    )


def _check_module(module: str, shapes: Mapping[str, tuple[int, ...]], rank: int, base: BaseModel) -> None:
    if module not in base.modules:
        raise PreflightError(f"{module} does not exist in {base.id}; train the adapter on {base.id}")
    if module.rpartition(".")[2] in ("embed_tokens", "lm_head"):
        raise PreflightError(f"{module} cannot carry a LoRA in vLLM; take it out of target_modules")
    features_out, features_in = base.modules[module]
    for part, expected in (("lora_A", (rank, features_in)), ("lora_B", (features_out, rank))):
        found = shapes.get(f"{_PREFIX}{module}.{part}.weight")
        if found != expected:
            raise PreflightError(
                f"{part} of {module} is {_shape(found)}, and {base.id} with rank {rank} needs {_shape(expected)};"
                f" train the adapter on {base.id}"
            )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "x".join(str(size) for size in shape) or "a single number"
