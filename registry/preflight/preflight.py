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
from typing import NoReturn

from postil.registry.base_model.model import BaseModel
from postil.registry.defaults import REPORT
from postil.registry.fsutil import is_lfs_pointer
from postil.registry.preflight.adapter_config import AdapterConfig, Targets, ends, layer_of, read_config
from postil.registry.preflight.base_name import is_same_base
from postil.registry.preflight.tensors import TYPES, Tensor, read_tensors
from postil.registry.preflight.untrusted import named, refuse
from postil.registry.preflight.vocabulary import ADDED_TOKENS, EMBEDDINGS, TOKENIZER, check_vocabulary

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_PREFIX = "base_model.model."
_PARTS = (".lora_A.weight", ".lora_B.weight")
_LARGEST = 65504.0  # The largest float16 value: beyond it an engine in half precision computes infinities.
_AGAIN = "save or copy the adapter again"


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """The results of preflight: the largest rank, the kinds of changed modules, and the number of parameters.

    ``config`` is the configuration as it has to be kept, where that is not the file as it is. ``other_base`` is the
    name of a base that was let through though it is not that of this gateway.
    """

    rank: int
    targets: tuple[str, ...]
    parameters: int
    config: bytes | None = None
    other_base: str | None = None


def preflight(folder: Path, base: BaseModel, max_rank: int, *, base_ok: bool = False) -> AdapterInfo:
    """Check that the adapter in ``folder`` can be served on ``base``; other files beside it are passed over.

    With ``base_ok``, the publisher says that the base is the same under another name. Raises PreflightError.
    """
    _check_files(folder)
    config = read_config(folder / CONFIG, max_rank)
    other_base = _check_base_name(config.base, base, base_ok=base_ok)
    check_vocabulary(folder, base)
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
        config.rewritten(modules),
        other_base,
    )


def _check_files(folder: Path) -> None:
    """Refuse what is read here and is no file of its own, or is missing."""
    for name in (CONFIG, WEIGHTS, REPORT, ADDED_TOKENS, TOKENIZER):
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            found = "a symbolic link" if path.is_symlink() else "not a file"
            refuse(f"{name} is {found}", "an adapter is one flat folder of files", "replace or remove it")
        if path.is_file() and is_lfs_pointer(path):
            refuse(f"{name} is a Git LFS pointer", "what it stands for was not fetched", "run `git lfs pull`")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            _refuse_incomplete(folder, name)


def _refuse_incomplete(folder: Path, missing: str) -> NoReturn:
    pickle = next((path.name for path in sorted(folder.glob("adapter_model.*")) if path.suffix in PICKLES), None)
    if missing == WEIGHTS and pickle is not None:
        found = f"{pickle} is a pickle, which can run code when it is loaded"
        refuse(found, f"weights are read from {WEIGHTS} only", "save them there")
    allowed = f"an adapter is {CONFIG} with {WEIGHTS}"
    refuse(f"{missing} is missing", allowed, "publish the folder that PEFT's save_pretrained wrote")


def _check_base_name(name: object, base: BaseModel, *, base_ok: bool) -> str | None:
    """Return the name if it is another one that is let through."""
    if is_same_base(name, base.id):
        return None
    if not base_ok:
        refuse(
            f"the adapter was trained for {named(str(name))}", f"this gateway serves {base.id}",
            f"train it on {base.id}, or publish it with --base-ok if that is the same model under another name",
        )  # fmt: skip
    return str(name)


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
    if not EMBEDDINGS.isdisjoint(name.split(".")):
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
