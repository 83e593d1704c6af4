"""Facts about the base model: its identity, and the shape of every linear module."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from postil.registry.errors import BaseModelError
from postil.registry.fsutil import is_lfs_pointer, sha256_file

_SUFFIX = ".weight"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The frozen base model. ``modules`` maps a module's name to (output features, input features)."""

    id: str
    path: Path
    revision: str
    modules: Mapping[str, tuple[int, int]]


def read_base(path: Path, model_id: str, revision: str | None = None) -> BaseModel:
    """Read a model folder's headers without loading weights. Raises BaseModelError.

    Without a ``revision`` (a hub's commit), the digest of configuration and weights is used.
    """
    weights = sorted(path.glob("*.safetensors"))
    if not (path / "config.json").is_file() or not weights:
        raise BaseModelError(
            f"{path} holds no config.json with *.safetensors; give a Hugging Face id or a folder with both"
        )
    return BaseModel(model_id, path, revision or _digest(path, weights), _modules(weights))


def _modules(weights: list[Path]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for file in weights:
        if is_lfs_pointer(file):
            raise BaseModelError(f"{file.name} of the base model is a Git LFS pointer; run `git lfs pull` in its clone")
        try:
            with safe_open(file, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    shape = tensors.get_slice(name).get_shape()
                    if name.endswith(_SUFFIX) and len(shape) == 2:
                        found[name.removesuffix(_SUFFIX)] = (shape[0], shape[1])
        except (SafetensorError, OSError) as error:
            raise BaseModelError(f"{file.name} of the base model cannot be read: {error}") from error
    return found


def _digest(path: Path, weights: list[Path]) -> str:
    """Return the digest of configuration and weights, cached in the folder until a file changes."""
    state = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in [path / "config.json", *weights]]
    cache = path / ".postil-revision.json"
    if (known := _cached(cache)) and known["files"] == state:
        return str(known["revision"])
    hashes = [[file.name, sha256_file(file)] for file in [path / "config.json", *weights]]
    revision = "sha256:" + hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
    try:
        cache.write_text(json.dumps({"files": state, "revision": revision}), encoding="utf-8")
    except OSError:
        pass  # A read-only model folder is hashed at every start.
    return revision


def _cached(cache: Path) -> dict[str, object] | None:
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and {"files", "revision"} <= known.keys() else None
