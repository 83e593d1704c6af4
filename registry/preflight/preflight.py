"""Checks an adapter from its configuration and headers; loads no code, no pickle and no torch.

Every refusal says what was found, what is allowed and what to do. Preflight refuses what the engine would refuse, and
also what the engine would accept but answer differently from PEFT, such as tensors that it silently ignores.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from postil.registry.base_model.model import BaseModel
from postil.registry.preflight.adapter_config import AdapterConfig, Targets, ends, layer_of, read_config
from postil.registry.preflight.tensors import TYPES, Tensor, read_tensors
from postil.registry.preflight.untrusted import named, read_json, refuse, shown

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
_ALLOWED = frozenset({".json", ".safetensors", ".md", ".txt", ".jinja", ".yaml"})
_PREFIX = "base_model.model."
_PARTS = (".lora_A.weight", ".lora_B.weight")
# Adapters may not change these modules: the change would grow with the vocabulary.
_EMBEDDINGS = frozenset({"embed_tokens", "embed_in", "embed_out", "wte", "wpe", "word_embeddings", "lm_head"})
_LARGEST = 65504.0  # The largest float16 value: beyond it an engine in half precision computes infinities.
_MAX_ADDED_TOKENS = 1 << 20
_AGAIN = "save or copy the adapter again"


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """The results of preflight: the largest rank, the kinds of changed modules, and the number of parameters."""

    rank: int
    targets: tuple[str, ...]
    parameters: int


def preflight(folder: Path, base: BaseModel, max_rank: int) -> AdapterInfo:
    """Check that the adapter in ``folder`` can be served on ``base``. Raises PreflightError."""
    _check_files(folder)
    config = read_config(folder / CONFIG, max_rank)
    _check_base_name(config.base, base)
    _check_vocabulary(folder / "added_tokens.json", base)
    tensors = read_tensors(folder / WEIGHTS)
    modules = _check_shapes(tensors, config, base)
    if config.targets is not None:
        _check_named(modules, config.targets)
        _check_complete(modules, config.targets, base)
    _check_values(folder / WEIGHTS, tensors)
    return AdapterInfo(
        max(config.rank_of(module) for module in modules),
        tuple(sorted({module.rpartition(".")[2] for module in modules})),
        sum(math.prod(tensor.shape) for tensor in tensors),
    )


def _check_files(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        _check_file(folder / name, named(name))
    for needed in (CONFIG, WEIGHTS):
        if needed not in names:
            allowed = f"an adapter is {CONFIG} with {WEIGHTS}"
            refuse(f"{needed} is missing", allowed, "publish the folder that PEFT's save_pretrained wrote")


def _check_file(path: Path, name: str) -> None:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        found = f"{name} is a pickle, which can run code when it is loaded"
        refuse(found, f"weights are read from {WEIGHTS} only", "save them there, and remove it")
    if path.is_symlink() or not path.is_file():
        found = "a symbolic link" if path.is_symlink() else "not a file"
        refuse(f"{name} is {found}", "an adapter is one flat folder of files", "replace or remove it")
    if suffix not in _ALLOWED or path.name.startswith("."):
        refuse(f"{name} does not belong to an adapter", f"only {', '.join(sorted(_ALLOWED))} do", "remove it")
    if suffix == ".safetensors" and path.name != WEIGHTS:
        refuse(f"{name} is not {WEIGHTS}", "that is the one weights file of an adapter", "rename or remove it")


def _check_base_name(name: object, base: BaseModel) -> None:
    """Compare the base's name only if both are hub ids: a folder's name says nothing about its content."""
    if not isinstance(name, str) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        return
    if base.id.count("/") == 1 and name.casefold() != base.id.casefold():
        refuse(f"the adapter was trained for {named(name)}", f"this gateway serves {base.id}", f"train it on {base.id}")


def _check_vocabulary(added: Path, base: BaseModel) -> None:
    """Refuse added tokens: the engine uses only the base's tokenizer and would split them."""
    sizes = [shape[0] for module, shape in base.modules.items() if module.rpartition(".")[2] in _EMBEDDINGS]
    if not sizes or not added.is_file():
        return
    for token, number in _tokens(added).items():
        if not isinstance(number, int) or number >= max(sizes):
            refuse(
                f"{added.name} adds {shown(token)} to the vocabulary as {shown(number)}",
                f"that of {base.id} ends at {max(sizes) - 1}", "train with the tokens of the base",
            )  # fmt: skip


def _tokens(added: Path) -> Mapping[str, object]:
    try:
        tokens = read_json(added.read_bytes()) if added.stat().st_size <= _MAX_ADDED_TOKENS else None
    except ValueError:
        tokens = None
    if not isinstance(tokens, dict):
        refuse(f"{added.name} is not what a tokenizer writes", "it has to be a JSON object of numbers", "remove it")
    return tokens


def _check_shapes(tensors: Sequence[Tensor], config: AdapterConfig, base: BaseModel) -> set[str]:
    """Check names, shapes and types; return the changed modules."""
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    modules = {_module(name) for name in shapes}
    if not modules:
        refuse(f"{WEIGHTS} holds no tensors", "an adapter has two for each module that it changes", _AGAIN)
    for module in sorted(modules):
        _check_module(module, shapes, config.rank_of(module), base)
    for tensor in tensors:
        if tensor.dtype not in TYPES:
            allowed = f"adapters are {', '.join(TYPES)}"
            refuse(f"{tensor.name} is of type {tensor.dtype}", allowed, "save it as one of these")
    return modules


def _module(name: str) -> str:
    """``base_model.model.<module>.lora_A.weight`` -> ``<module>``."""
    if not _EMBEDDINGS.isdisjoint(name.split(".")):
        refuse(
            f"{named(name)} is of the embedding or the head", "only linear modules between them can be changed",
            "take it out of target_modules and modules_to_save, and train again",
        )  # fmt: skip
    part = next((part for part in _PARTS if name.endswith(part)), None)
    if part is None or not name.startswith(_PREFIX):
        refuse(
            f"{named(name)} is not a LoRA tensor", f"only {_PREFIX}*.lora_A.weight and lora_B.weight can be served",
            "save the adapter alone, with PEFT's save_pretrained",
        )  # fmt: skip
    return name.removeprefix(_PREFIX).removesuffix(part)


def _check_module(module: str, shapes: Mapping[str, tuple[int, ...]], rank: int, base: BaseModel) -> None:
    train = f"train the adapter on {base.id}"
    if module not in base.modules:
        refuse(f"{named(module)} is changed", f"{base.id} has no linear module of that name", train)
    features_out, features_in = base.modules[module]
    for part, expected in (("lora_A", (rank, features_in)), ("lora_B", (features_out, rank))):
        found = shapes.get(f"{_PREFIX}{module}.{part}.weight")
        if found != expected:
            allowed = f"{base.id} with rank {rank} needs {_shape(expected)}"
            refuse(f"{part} of {module} is {_shape(found)}", allowed, _AGAIN if found is None else train)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "x".join(str(size) for size in shape) or "a single number"


def _check_named(modules: set[str], targets: Targets) -> None:
    """Refuse differences: the engine follows the tensors and PEFT the configuration, so answers would differ."""
    for module in sorted(modules):
        if not targets.take(module):
            allowed = f"{CONFIG} leaves it out (target_modules, exclude_modules, layers_to_transform)"
            refuse(f"{module} is changed", allowed, "save weights and configuration together")


def _check_complete(modules: set[str], targets: Targets, base: BaseModel) -> None:
    """Refuse missing weights: each module in the configuration that the base has must have tensors."""
    # A mixture's experts are one parameter in the model, however the base's files store them.
    wanted = [name for name in base.modules if targets.take(name) and ".experts." not in name]
    lost = targets.names & _all_ends(wanted) - _all_ends(modules)
    kinds, layers = {_kind(module) for module in modules}, _layers(base)
    lost |= {
        module
        for module in wanted
        if module not in modules and _kind(module) in kinds and (layer_of(module) or 0) < layers
    }
    if lost:
        refuse(f"the tensors of {min(lost)} are missing", f"{CONFIG} says that it is changed", _AGAIN)


def _all_ends(modules: Iterable[str]) -> set[str]:
    return set[str]().union(*map(ends, modules))


def _kind(module: str) -> str:
    return re.sub(r"\d+", "#", module)


def _layers(base: BaseModel) -> float:
    """Return the number of layers that the base uses; its files may hold more, for training only."""
    config = json.loads((base.path / "config.json").read_bytes())
    found = (config.get("text_config") or config).get("num_hidden_layers")
    return found if isinstance(found, int) else math.inf


def _check_values(path: Path, tensors: Sequence[Tensor]) -> None:
    with path.open("rb") as file:
        for tensor in tensors:
            largest = tensor.largest(file)
            if largest > _LARGEST:
                found = "NaN or infinite values" if math.isinf(largest) else f"a value of size {largest:.3g}"
                allowed = f"the largest size allowed is {_LARGEST:.0f}"
                refuse(f"{tensor.name} holds {found}", allowed, "train again with a lower learning rate")
