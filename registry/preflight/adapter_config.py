"""Reads ``adapter_config.json``: the kind of the adapter, the modules that it changes, and its rank."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from postil.registry.preflight.patterns import Pattern, read_pattern
from postil.registry.preflight.untrusted import named, read_json, refuse, shown

_MAX_BYTES = 1 << 20
_MAX_ALPHA = 1e6
_UNSET: tuple[object, ...] = (None, False, [], {}, "")
# Options that change an adapter's answers but that the engine refuses or silently ignores.
_UNSERVED = frozenset({
    "lora_bias", "modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters",
    "alora_invocation_tokens",
})  # fmt: skip
# Of the nested configurations, these matter only in training; any other is a variant of LoRA.
_TRAINING_ONLY = frozenset({"loftq_config", "eva_config", "corda_config", "lora_ga_config", "velora_config"})
# Initialisations that leave the base unchanged (a test asks PEFT itself); all others modify it before it is frozen.
INITS = ("gaussian", "eva", "orthogonal", "mica")
_AGAIN = "save or copy the adapter again"


@dataclass(frozen=True, slots=True)
class Targets:
    """The modules that a configuration names, minus excluded ones and layers that are not selected."""

    names: frozenset[str]
    excluded: frozenset[str] = frozenset()
    layers: frozenset[int] = frozenset()
    layer_lists: tuple[str, ...] = ()

    def take(self, module: str) -> bool:
        """Return whether PEFT changes this module."""
        meant = ends(module)
        if self.names.isdisjoint(meant) or not self.excluded.isdisjoint(meant):
            return False
        return not self.layers or layer_of(module, self.layer_lists) in self.layers


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """A configuration that can be served. ``targets`` is None if a regular expression selects the modules."""

    values: Mapping[str, Any]
    rank: int
    rank_pattern: Pattern
    alpha_pattern: Pattern
    targets: Targets | None
    base: object
    # Whether it begins with a byte order mark, at which the engine stops.
    marked: bool = False

    def rank_of(self, module: str) -> int:
        """Return the rank of a module: the first matching key decides."""
        return int(self.rank_pattern.value(module, self.rank))

    def rewritten(self, modules: Collection[str]) -> bytes | None:
        """Return the file as the engine reads it: without a byte order mark, its patterns in plain names.

        None if the file is so already. ``modules`` are those that the adapter changes.
        """
        if self.rank_pattern.plain and self.alpha_pattern.plain:
            return json.dumps(self.values, indent=2).encode() if self.marked else None
        found = {
            "rank_pattern": self.rank_pattern.in_plain_names(modules, self.rank),
            "alpha_pattern": self.alpha_pattern.in_plain_names(modules, self.values["lora_alpha"]),
        }
        return json.dumps({**self.values, **found}, indent=2).encode()


def read_config(path: Path, max_rank: int) -> AdapterConfig:
    """Read and check a configuration. Raises PreflightError."""
    config = _read(path)
    kind = config.get("peft_type")
    if kind != "LORA":
        refuse(f"peft_type is {shown(kind)}", "only LORA adapters can be served", "train with PEFT's LoraConfig")
    for option, value in config.items():
        _check_option(option, value)
    _check_init(config.get("init_lora_weights"))
    _check_alpha("lora_alpha", config.get("lora_alpha"))
    alphas, ranks = (read_pattern(option, config.get(option)) for option in ("alpha_pattern", "rank_pattern"))
    for key, _, alpha in alphas.keys:
        _check_alpha(f"lora_alpha of {named(key)}", alpha)
    for key, _, rank in ranks.keys:
        _rank(f"rank of {named(key)}", rank, max_rank)
    return AdapterConfig(
        config,
        _rank("rank", config.get("r"), max_rank),
        ranks,
        alphas,
        _targets(config),
        config.get("base_model_name_or_path"),
        path.read_bytes().startswith(codecs.BOM_UTF8),
    )


def ends(module: str) -> set[str]:
    """Return every name that matches this module: ``q_proj``, ``self_attn.q_proj`` ... up to its full name."""
    parts = module.split(".")
    return {".".join(parts[at:]) for at in range(len(parts))}


def layer_of(module: str, lists: Sequence[str] = ()) -> int | None:
    """Return a module's layer number: the first number in its name, or the first one after one of ``lists``."""
    for before, part in pairwise(module.split(".")):
        if part.isdecimal() and (not lists or before in lists):
            return int(part)
    return None


def _read(path: Path) -> Mapping[str, Any]:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        refuse(f"{path.name} has {size:,} bytes", f"at most {_MAX_BYTES:,} are read", _AGAIN)
    try:
        config = read_json(path.read_bytes())
    except ValueError as error:
        refuse(f"{path.name} is not JSON ({error})", "it has to be a JSON object in UTF-8", _AGAIN)
    if not isinstance(config, dict):
        refuse(f"{path.name} is {shown(config)}", "it has to be a JSON object in UTF-8", _AGAIN)
    return config


def _check_option(option: str, value: object) -> None:
    if option == "use_rslora":
        if not isinstance(value, bool | None):
            refuse(f"use_rslora is {shown(value)}", "it has to be true or false", _AGAIN)
    elif option == "bias":
        if value != "none":
            refuse(f"bias is {shown(value)}", "only 'none' can be served", "train with bias='none'")
    elif not _is_plain(option, value):
        refuse(
            f"{named(option)} is {shown(value)}", "only LoRA without it can be served", f"train without {named(option)}"
        )


def _is_plain(option: str, value: object) -> bool:
    """Return whether an option leaves plain LoRA; unknown variants are recognised by PEFT's naming scheme."""
    if option.endswith("_config"):
        return value is None or option in _TRAINING_ONLY
    if option.startswith("use_"):
        return value is None or value is False
    return value in _UNSET or option not in _UNSERVED


def _check_init(init: object) -> None:
    if isinstance(init, bool | None) or (isinstance(init, str) and init.lower() in INITS):
        return
    refuse(
        f"init_lora_weights is {shown(init)}",
        f"only true, false, {', '.join(INITS)} leave the frozen base as it is",
        "save the adapter again with path_initial_model_for_weight_conversion",
    )


def _check_alpha(what: str, alpha: object) -> None:
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 < alpha < _MAX_ALPHA:
        allowed = f"it has to be a number above 0 and below {_MAX_ALPHA:,.0f}"
        refuse(f"{what} is {shown(alpha)}", allowed, "save the adapter as it was trained")


def _rank(what: str, rank: object, max_rank: int) -> int:
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        allowed = f"it has to be a whole number from 1 to {max_rank}"
        refuse(f"the {what} is {shown(rank)}", allowed, "save the adapter as it was trained")
    if rank > max_rank:
        refuse(
            f"the {what} is {shown(rank)}", f"this gateway serves up to {max_rank}",
            "train with a smaller r, or raise POSTIL_MAX_LORA_RANK",
        )  # fmt: skip
    return rank


def _targets(config: Mapping[str, Any]) -> Targets | None:
    if config.get("target_modules") is None:
        refuse("target_modules is missing", "it has to name the modules that are changed", _AGAIN)
    names, excluded, lists = (
        _listed(config, option, str) for option in ("target_modules", "exclude_modules", "layers_pattern")
    )
    layers = _listed(config, "layers_to_transform", int)
    # Only PEFT evaluates an expression (or all-linear); an untrusted one could run for ever here.
    if isinstance(config["target_modules"], str) or isinstance(config.get("exclude_modules"), str):
        return None
    return Targets(frozenset(names), frozenset(excluded), frozenset(layers), lists)


def _listed(config: Mapping[str, Any], option: str, kind: type) -> tuple[Any, ...]:
    """Return the values of an option that holds none, one or a list of them."""
    value = config.get(option)
    found = tuple(value) if isinstance(value, list) else () if value is None else (value,)
    if any(type(one) is not kind for one in found):
        refuse(f"{option} is {shown(value)}", f"it has to be a list of {kind.__name__}", _AGAIN)
    return found
