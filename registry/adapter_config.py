"""What ``adapter_config.json`` says: of which kind an adapter is, which modules it changes, with which rank."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from postil.registry.errors import PreflightError

_MAX_BYTES = 1 << 20
_MAX_ALPHA = 1e6
_UNSET = (None, False, [], {}, "")
# Options that change what an adapter answers, and that the engine refuses or passes over in silence.
_UNSERVED = frozenset({
    "lora_bias", "modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters",
    "alora_invocation_tokens",
})  # fmt: skip
# Of a configuration within the configuration, these matter while training only; any other is a variant of LoRA.
_TRAINING_ONLY = frozenset({"loftq_config", "eva_config", "corda_config", "lora_ga_config", "velora_config"})
# Where training began. All others changed the base before they froze it.
_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
# In PEFT a key of a pattern is a regular expression, and the engine runs it: one from outside may take for ever.
_PLAIN_KEY = re.compile(r"\^?[A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Targets:
    """The modules that the configuration names, and those layers of them that it does not leave out."""

    names: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    layers: frozenset[int] | None = None
    layer_lists: tuple[str, ...] = ()

    def take(self, module: str) -> bool:
        """Whether PEFT would change this module."""
        if not any(matches(name, module) for name in self.names) or any(matches(name, module) for name in self.excluded):
            return False
        return self.layers is None or layer_of(module, self.layer_lists) in self.layers


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """A configuration that can be served. ``targets`` is None where an expression says which modules are changed."""

    rank: int
    base: object
    targets: Targets | None
    rank_pattern: Mapping[str, int]

    def rank_of(self, module: str) -> int:
        """The rank with which a module is changed."""
        found = (rank for key, rank in self.rank_pattern.items() if _key_matches(key, module))
        return next(found, self.rank)

    @property
    def largest_rank(self) -> int:
        """The largest rank that any module may have."""
        return max([self.rank, *self.rank_pattern.values()])


def read_config(path: Path, max_rank: int) -> AdapterConfig:
    """Read and check a configuration. Raises PreflightError."""
    config = _read(path)
    if config.get("peft_type") != "LORA":
        _refuse(f"peft_type is {shown(config.get('peft_type'))}", "only LORA can be served", "train with a LoraConfig")
    for option, value in config.items():
        _check_option(option, value)
    _check_init(config.get("init_lora_weights"))
    _check_alpha("lora_alpha", config.get("lora_alpha"))
    for key, alpha in _pattern(config, "alpha_pattern").items():
        _check_alpha(f"the alpha of {shown(key)}", alpha)
    ranks = {key: _rank(f"the rank of {shown(key)}", value, max_rank)
             for key, value in _pattern(config, "rank_pattern").items()}  # fmt: skip
    rank = _rank("the rank r", config.get("r"), max_rank)
    return AdapterConfig(rank, config.get("base_model_name_or_path"), _targets(config), ranks)


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no key stands twice, for readers differ in which of the two they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"{shown(twice)} stands in it twice")
    return found


def shown(value: object) -> str:
    """A value of somebody else's in one line of a sentence: not too long, and nothing in it that is no text."""
    if isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200:
        return value
    text = ascii(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def matches(name: str, module: str) -> bool:
    """Whether ``q_proj``, or a longer end of a module's name, means this module."""
    return module == name or module.endswith(f".{name}")


def layer_of(module: str, lists: Sequence[str] = ()) -> int | None:
    """The number of a module's layer: the first in its name that follows one of ``lists``, or anything."""
    parts = module.split(".")
    for before, part in zip(parts, parts[1:], strict=False):
        if part.isdecimal() and (not lists or before in lists):
            return int(part)
    return None


def _refuse(found: str, allowed: str, remedy: str) -> NoReturn:
    raise PreflightError(f"{found}, and {allowed}; {remedy}")


def _read(path: Path) -> Mapping[str, Any]:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        _refuse(f"{path.name} has {size:,} bytes", f"at most {_MAX_BYTES:,} are read", "save the adapter again")
    try:
        # As text: given bytes, json also takes UTF-16, which the engine does not.
        config = json.loads(path.read_bytes().decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise PreflightError(f"{path.name} is not JSON ({error}), and PEFT writes it so; save the adapter again") from error
    if not isinstance(config, dict):
        _refuse(f"{path.name} is {shown(config)}", "it has to be a JSON object", "save the adapter again")
    return config


def _check_option(option: str, value: object) -> None:
    if option == "use_rslora":
        if not isinstance(value, bool | None):
            _refuse(f"use_rslora is {shown(value)}", "it has to be true or false", "save the adapter again")
        return
    if option == "bias":
        served = value == "none"
    elif option.endswith("_config"):
        served = value is None or option in _TRAINING_ONLY
    else:
        served = value in _UNSET or not (option in _UNSERVED or option.startswith("use_"))
    if not served:
        _refuse(
            f"{shown(option)} is {shown(value)}", "only LoRA without it can be served", f"train without {shown(option)}"
        )


def _check_init(init: object) -> None:
    if isinstance(init, bool | None) or (isinstance(init, str) and init.lower() in _INITS):
        return
    _refuse(
        f"init_lora_weights is {shown(init)}",
        f"only true, false, {', '.join(_INITS)} leave the frozen base as it is",
        "save the adapter again, with path_initial_model_for_weight_conversion",
    )


def _check_alpha(what: str, alpha: object) -> None:
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 < alpha < _MAX_ALPHA:
        _refuse(f"{what} is {shown(alpha)}", f"it has to be a number above 0 and below {_MAX_ALPHA:,.0f}", "train again")


def _rank(what: str, rank: object, max_rank: int) -> int:
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        _refuse(f"{what} is {shown(rank)}", f"it has to be a whole number from 1 to {max_rank}", "save the adapter again")
    if rank > max_rank:
        _refuse(
            f"{what.removesuffix(' r')} is {shown(rank)}", f"this gateway serves up to {max_rank}",
            "train with a smaller r, or raise POSTIL_MAX_LORA_RANK",
        )  # fmt: skip
    return rank


def _pattern(config: Mapping[str, Any], option: str) -> Mapping[str, Any]:
    pattern = config.get(option) or {}
    if not isinstance(pattern, dict):
        _refuse(f"{option} is {shown(pattern)}", "it has to be a JSON object", "save the adapter again")
    for key in pattern:
        if not _PLAIN_KEY.fullmatch(key):
            _refuse(f"{option} has the key {shown(key)}", "only names such as q_proj are taken", "write each name out")
    return pattern


def _key_matches(key: str, module: str) -> bool:
    return module == key[1:] if key.startswith("^") else matches(key, module)


def _targets(config: Mapping[str, Any]) -> Targets | None:
    names, excluded = config.get("target_modules"), config.get("exclude_modules")
    if names is None:
        _refuse("target_modules is missing", "it has to name the modules that are changed", "save the adapter again")
    layers = config.get("layers_to_transform")
    chosen = frozenset(_listed("layers_to_transform", layers, int)) if layers not in _UNSET or layers == 0 else None
    parts = [_listed(option, config.get(option), str) for option in ("target_modules", "exclude_modules", "layers_pattern")]
    # An expression (or all-linear) is PEFT's to read: run here, one from outside could take for ever.
    if isinstance(names, str) or isinstance(excluded, str):
        return None
    return Targets(parts[0], parts[1], chosen, parts[2])


def _listed(option: str, value: object, kind: type) -> tuple[Any, ...]:
    """One value or a list of them as a tuple."""
    found: Iterable[object] = value if isinstance(value, list) else () if value is None else (value,)
    found = tuple(found)
    if any(not isinstance(one, kind) or isinstance(one, bool) for one in found):
        _refuse(f"{option} is {shown(value)}", f"it has to be a list of {kind.__name__}", "save the adapter again")
    return found
