"""What may be published: read the configuration and the headers, load no code, no pickle and no torch.

Every refusal says what was found, what is allowed and what to do. What the engine refuses is refused here first, and
so is what it takes and then answers otherwise than PEFT would, such as tensors that it passes over in silence.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from postil.registry.adapter_config import AdapterConfig, Targets, layer_of, matches, read_config, shown
from postil.registry.base.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.tensors import TYPES, Tensor, read_tensors

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
_ALLOWED = frozenset({".json", ".safetensors", ".md", ".txt", ".jinja", ".yaml"})
_PREFIX = "base_model.model."
# Their changes would grow with the vocabulary, and are not what an adapter is here.
_EMBEDDINGS = frozenset({"embed_tokens", "embed_in", "embed_out", "wte", "wpe", "word_embeddings", "lm_head"})
_LARGEST = 65504.0  # Where float16 ends: beyond it an engine of half precision computes with infinities.
_MAX_ADDED_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """What preflight learned: the largest rank, the kinds of modules changed, and the number of parameters."""

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
    paths = sorted(folder.iterdir())
    for path in paths:
        _check_file(path, shown(path.name))
    for needed in (CONFIG, WEIGHTS):
        if needed not in {path.name for path in paths}:
            raise PreflightError(
                f"{needed} is missing, and an adapter is {CONFIG} with {WEIGHTS};"
                " publish the folder that PEFT's save_pretrained wrote"
            )


def _check_file(path: Path, name: str) -> None:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise PreflightError(
            f"{name} is a pickle, which can run code when it is loaded, and weights are read from {WEIGHTS} only;"
            " save them there and remove it"
        )
    if path.is_symlink() or not path.is_file():
        kind = "a symbolic link" if path.is_symlink() else "not a file"
        raise PreflightError(f"{name} is {kind}, and an adapter is one flat folder of files; replace or remove it")
    if suffix not in _ALLOWED or name.startswith("."):
        raise PreflightError(
            f"{name} does not belong to an adapter, and only {', '.join(sorted(_ALLOWED))} do; remove it"
        )
    if suffix == ".safetensors" and path.name != WEIGHTS:
        raise PreflightError(f"{name} is not {WEIGHTS}, the one weights file of an adapter; rename or remove it")


def _check_base_name(name: object, base: BaseModel) -> None:
    """Only two hub ids can be compared: a folder's name says nothing of what is in it."""
    if not isinstance(name, str) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        return
    if base.id.count("/") == 1 and name.casefold() != base.id.casefold():
        raise PreflightError(
            f"the adapter was trained for {shown(name)}, and this gateway serves {base.id}; train it on {base.id}"
        )


def _check_vocabulary(added: Path, base: BaseModel) -> None:
    """The engine reads the base's tokenizer alone, and would split a token of the adapter's own into pieces."""
    sizes = [shape[0] for module, shape in base.modules.items() if module.rpartition(".")[2] in _EMBEDDINGS]
    if not sizes or not added.is_file():
        return
    tokens = _tokens(added)
    beyond = sorted(token for token, number in tokens.items() if not isinstance(number, int) or number >= max(sizes))
    if beyond:
        raise PreflightError(
            f"{added.name} adds {shown(beyond[0])} to the vocabulary, and that of {base.id} ends at {max(sizes) - 1};"
            " train with the tokens of the base"
        )


def _tokens(added: Path) -> Mapping[str, object]:
    try:
        tokens = json.loads(added.read_bytes()) if added.stat().st_size <= _MAX_ADDED_TOKENS else None
    except (ValueError, RecursionError):
        tokens = None
    if not isinstance(tokens, dict):
        raise PreflightError(
            f"{added.name} is not what a tokenizer writes, and it has to be a JSON object of numbers; remove it"
        )
    return tokens


def _check_shapes(tensors: list[Tensor], config: AdapterConfig, base: BaseModel) -> set[str]:
    """Check names, shapes and types; returns the modules that are changed."""
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    modules = {_module(name) for name in shapes}
    if not modules:
        raise PreflightError(f"{WEIGHTS} holds no tensors, and an adapter has two for each module; save it again")
    for module in sorted(modules):
        _check_module(module, shapes, config.rank_of(module), base)
    for tensor in tensors:
        if tensor.dtype not in TYPES:
            raise PreflightError(
                f"{tensor.name} is of type {tensor.dtype}, and adapters are {', '.join(TYPES)}; save it as one of these"
            )
    return modules


def _module(name: str) -> str:
    """``base_model.model.<module>.lora_A.weight`` -> ``<module>``."""
    for suffix in (".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B"):
        if name.startswith(_PREFIX) and name.endswith(suffix):
            return name.removeprefix(_PREFIX).removesuffix(suffix)
    raise PreflightError(
        f"{shown(name)} is not a LoRA tensor, and only {_PREFIX}*.lora_A.weight and lora_B are served;"
        " save only the adapter, without whole layers"
    )


def _check_module(module: str, shapes: Mapping[str, tuple[int, ...]], rank: int, base: BaseModel) -> None:
    if module.rpartition(".")[2] in _EMBEDDINGS:
        raise PreflightError(
            f"{shown(module)} is changed, and only the linear modules between embedding and head can be;"
            " take it out of target_modules and train again"
        )
    if module not in base.modules:
        raise PreflightError(
            f"{shown(module)} is changed, and {base.id} has no linear module of that name; train on {base.id}"
        )
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


def _check_named(modules: set[str], targets: Targets) -> None:
    """The engine goes by the tensors and PEFT by the configuration: where they differ, so do the answers."""
    for module in sorted(modules):
        if not targets.take(module):
            raise PreflightError(
                f"{module} is changed, and {CONFIG} names only {shown(', '.join(targets.names))}"
                " (less what it leaves out); save weights and configuration together"
            )


def _check_complete(modules: set[str], targets: Targets, base: BaseModel) -> None:
    """What the configuration names and the base has, the weights have to hold: else some were lost on the way."""
    own = _layers(base)
    # The experts of a mixture are one parameter in the model, whatever the base's files make of them.
    wanted = [name for name in base.modules if targets.take(name) and ".experts." not in name]
    for name in targets.names:
        if any(matches(name, one) for one in wanted) and not any(matches(name, one) for one in modules):
            _refuse_missing(name)
    kinds = {_kind(module) for module in modules}
    for module in wanted:
        if module not in modules and _kind(module) in kinds and (layer_of(module) or 0) < own:
            _refuse_missing(module)


def _refuse_missing(name: str) -> None:
    raise PreflightError(
        f"the weights of {shown(name)} are missing, and {CONFIG} says that it is changed; save or copy the adapter again"
    )


def _kind(module: str) -> str:
    return re.sub(r"\d+", "#", module)


def _layers(base: BaseModel) -> float:
    """How many layers the base computes with; its files may hold more, for training only."""
    config = json.loads((base.path / "config.json").read_bytes())
    found = config.get("num_hidden_layers") or config.get("text_config", {}).get("num_hidden_layers")
    return found if isinstance(found, int) else math.inf


def _check_values(path: Path, tensors: list[Tensor]) -> None:
    with path.open("rb") as file:
        for tensor in tensors:
            largest = tensor.largest(file)
            if largest > _LARGEST:
                found = "NaN or infinite values" if math.isinf(largest) else f"a value of size {largest:.3g}"
                raise PreflightError(
                    f"{tensor.name} holds {found}, and the largest number allowed is {_LARGEST:.0f};"
                    " train again with a lower learning rate"
                )
