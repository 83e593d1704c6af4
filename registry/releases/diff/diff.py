"""What differs between two releases: policy, validators, figures of training, and the weights module by module."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.artifacts.store import ArtifactStore
from postil.registry.db.tables import Release
from postil.registry.errors import ArtifactError
from postil.registry.policy.components import ComponentVersion
from postil.registry.preflight.preflight import CONFIG, WEIGHTS
from postil.registry.releases.diff.policy import Change, policy_changes
from postil.registry.releases.diff.weights import KindChange, ModuleChange, Weights, by_kind, compare_weights

TRAINING = "training.json"
Components = Mapping[tuple[str, str], ComponentVersion]
# Where a policy names components of a kind.
_LISTS = {"input check": "input", "validator": "validators", "fallback rule": "fallback"}
_LARGEST = 1e15
# Where the figures stand in training.json, by what they are called here.
_FIGURES: Mapping[str, tuple[str, ...]] = {
    "validation accuracy": ("adapter_metrics", "accuracy"),
    "validation loss": ("adapter_metrics", "loss"),
    "validation examples": ("adapter_metrics", "examples"),
    "confidence temperature": ("calibration", "temperature"),
    "training examples": ("data", "examples"),
    "accuracy of the base alone": ("base_metrics", "accuracy"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A value before and after, either of which may be unknown (None)."""

    name: str
    before: Any
    after: Any

    @property
    def change(self) -> float | None:
        """How much a number grew."""
        if not _is_number(self.before) or not _is_number(self.after):
            return None
        return round(float(self.after) - float(self.before), 10)

    @property
    def differs(self) -> bool:
        """Whether the value changed."""
        return bool(self.before != self.after)


@dataclass(frozen=True, slots=True)
class ReleaseDiff:
    """Two releases side by side.

    ``metrics`` are those that either one's ``training.json`` holds; ``same_validation`` says whether both were measured
    on the same validation set, None where that is unknown. ``problem`` says why the files could not be compared;
    ``metrics``, ``adapter`` and ``modules`` are empty then.
    """

    before: Release
    after: Release
    policy: Sequence[Change]
    metrics: Sequence[Fact] = ()
    same_validation: bool | None = None
    adapter: Sequence[Fact] = ()
    modules: Sequence[ModuleChange] = ()
    problem: str | None = None

    @property
    def kinds(self) -> list[KindChange]:
        """The changes of the modules, summed up by kind."""
        return by_kind(self.modules)


def diff(before: Release, after: Release, artifacts: ArtifactStore) -> ReleaseDiff:
    """Compare two releases, of the same adapter or of two. Files that are gone or damaged are said to be so."""
    policy = [*policy_changes(before.policy, after.policy), *_version_changes(before, after)]
    try:
        ours, theirs = (_Files.read(artifacts.verified_path(release.artifact)) for release in (before, after))
    except ArtifactError as error:
        return ReleaseDiff(before, after, policy, problem=str(error))
    return ReleaseDiff(
        before, after, policy,
        _facts(_figures(ours), _figures(theirs), unsaid=None),
        _same_validation(ours.training, theirs.training),
        _facts(_properties(ours), _properties(theirs), unsaid={}),
        compare_weights(ours.weights, theirs.weights),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Files:
    """What is read of one artifact, which preflight has seen: its configuration and weights are known to be sound."""

    config: dict[str, Any]
    weights: Weights
    training: Any
    size: int

    @classmethod
    def read(cls, folder: Path) -> _Files:
        """Read them; of the weights only what is asked for, later."""
        config = json.loads((folder / CONFIG).read_bytes())
        size = sum(path.stat().st_size for path in folder.iterdir())
        return cls(config, Weights.open(folder / WEIGHTS, config), _read_training(folder / TRAINING), size)


def _read_training(path: Path) -> Any:
    """Anybody's JSON, or None: nothing has ever looked at it."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _version_changes(before: Release, after: Release) -> list[Change]:
    """Plugins that both use and that were of another version when they were published."""
    if before.components is not None and after.components is not None:
        return list(_component_changes(_by_use(before.components), _by_use(after.components)))
    return [
        Change(f"validators[{name}], version", before.validators[name], after.validators[name])
        for name in before.validators
        if name in after.validators and before.validators[name] != after.validators[name]
    ]


def _component_changes(ours: Components, theirs: Components) -> Iterator[Change]:
    for use in (use for use in ours if use in theirs and ours[use].identity != theirs[use].identity):
        before, after = ours[use], theirs[use]
        where = f"{_LISTS[before.kind]}[{before.name}]"
        if before.version != after.version:
            yield Change(f"{where}, version", before.version, after.version)
        if before[3:] != after[3:]:
            packages = (" ".join(one[3:]).strip() for one in (before, after))
            yield Change(f"{where}, package", *packages)


def _by_use(recorded: Sequence[Mapping[str, str]]) -> Components:
    return {(one.kind, one.name): one for one in (ComponentVersion(**row) for row in recorded)}


def _facts(before: Mapping[str, Any], after: Mapping[str, Any], *, unsaid: Any) -> list[Fact]:
    """The facts of both, without those that are ``unsaid``."""
    facts = [Fact(name, before[name], after[name]) for name in before]
    return [fact for fact in facts if not fact.before == fact.after == unsaid]


def _figures(files: _Files) -> dict[str, Any]:
    found = {name: _find(files.training, path) for name, path in _FIGURES.items()}
    return {name: value if _is_number(value) else None for name, value in found.items()}


def _properties(files: _Files) -> dict[str, Any]:
    config, weights = files.config, files.weights
    tensors = weights.tensors.values()
    return {
        "rank": config["r"],
        "rank by module": config.get("rank_pattern") or {},
        "alpha": config["lora_alpha"],
        "alpha by module": config.get("alpha_pattern") or {},
        "rank-stabilised": bool(config.get("use_rslora")),
        "targets": sorted({module.rpartition(".")[2] for module in weights.modules}),
        "modules": len(weights.modules),
        "parameters": sum(math.prod(tensor.shape) for tensor in tensors),
        "dtype": ", ".join(sorted({tensor.dtype for tensor in tensors})),
        "size": files.size,
    }


def _same_validation(before: Any, after: Any) -> bool | None:
    ours, theirs = (_find(training, ("validation", "digest")) for training in (before, after))
    return ours == theirs if isinstance(ours, str) and isinstance(theirs, str) else None


def _find(values: Any, path: Sequence[str]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _is_number(value: Any) -> bool:
    """Whether it is a number that any JSON reader takes: neither NaN nor infinite nor of hundreds of digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
