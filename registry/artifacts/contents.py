"""Which files of a published folder belong to the adapter."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from postil.registry.defaults import REPORT, SIGNATURE
from postil.registry.errors import ArtifactError, PolicyError, PreflightError
from postil.registry.fsutil import is_lfs_pointer
from postil.registry.policy.policy import MAX_POLICY_BYTES, Policy, parse_policy
from postil.registry.preflight.chat_template import TEMPLATE, TOKENIZER_CONFIG
from postil.registry.preflight.preflight import CONFIG, PICKLES, WEIGHTS, AdapterInfo
from postil.registry.preflight.vocabulary import ADDED_TOKENS, TOKENIZER

POLICY = "policy.yaml"
CARD = "README.md"
# An artifact contains only these: other files, such as a model card, must not change its digest.
KEPT = frozenset({CONFIG, WEIGHTS, REPORT})
# With a release come these too, and what is only looked at: what else lies in a folder is not even sent.
TAKEN = KEPT | {POLICY, SIGNATURE}
LOOKED_AT = TAKEN | {ADDED_TOKENS, TOKENIZER, TEMPLATE, TOKENIZER_CONFIG}
_HOTTEST = 1e6
_SHOWN = 5


def policy_in(folder: Path) -> Policy | None:
    """Read the folder's ``policy.yaml``; None if there is none. Raises PolicyError."""
    path = folder / POLICY
    if not path.is_file():
        return None
    if is_lfs_pointer(path):
        raise PolicyError(f"{POLICY} is a Git LFS pointer and not the policy; run `git lfs pull`")
    with path.open("rb") as file:
        return parse_policy(file.read(MAX_POLICY_BYTES + 1))


def read_report(folder: Path) -> dict[str, Any]:
    """Read the folder's training report, which may be anybody's JSON; empty if there is none."""
    try:
        found = json.loads((folder / REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def calibration_in(folder: Path) -> dict[str, float]:
    """Read the calibration from the folder's training report; empty if there is none.

    Raises PreflightError if the temperature is not a number, because its author expects it to apply.
    """
    part = read_report(folder).get("calibration")
    if not isinstance(part, dict) or "temperature" not in part:
        return {}
    temperature = part["temperature"]
    # This form excludes NaN, infinity and numbers of hundreds of digits, which databases cannot store.
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < _HOTTEST:
        raise PreflightError(
            f"{REPORT} has the calibration temperature {str(temperature)[:40]!r}, which has to be a number above 0;"
            " let `postil evaluate` write it"
        )
    return {"temperature": float(temperature)}


def keep_the_adapter(folder: Path) -> None:
    """Delete the files that do not belong to the adapter from a folder of ``artifacts.incoming()``."""
    for path in folder.iterdir():
        if path.name not in KEPT:
            path.unlink()


def rewrite_config(folder: Path, info: AdapterInfo, *, signed: bool) -> None:
    """Write the configuration as the engine is to read it. Raises PreflightError if that would break a signature."""
    if info.config is None:
        return
    if signed:
        raise PreflightError(
            f"{CONFIG} has regular expressions in its patterns or a byte order mark, neither of which is kept, and"
            f" {SIGNATURE} would not be of what is kept; write the modules' names out, without a mark, and sign again"
        )
    (folder / CONFIG).write_bytes(info.config)


def check_complete(what: str, names: Collection[str], error: type[ArtifactError] = ArtifactError) -> None:
    """Check that files are an adapter, by their paths within ``what`` (``the archive``). Raises ``error``."""
    missing = next((needed for needed in (CONFIG, WEIGHTS) if needed not in names), None)
    if missing is None:
        return
    pickles = sorted(name for name in names if name.startswith("adapter_model") and name.endswith(PICKLES))
    inside = sorted(name.removesuffix(f"/{missing}") for name in names if name.endswith(f"/{missing}"))
    if missing == WEIGHTS and pickles:
        raise error(
            f"{what} has its weights only as {pickles[0]}, a pickle, which can run code when it is loaded;"
            f" save them as {WEIGHTS}"
        )
    if inside:
        raise error(f"{what} holds no {missing} itself, but {_few(inside)} in it; publish a folder that does")
    if "config.json" in names:
        raise error(f"{what} holds a whole model and no {missing}; publish the adapter before it is merged")
    raise error(f"{what} holds no {missing}; publish what PEFT's save_pretrained has written")


def left_out(names: Collection[str]) -> list[str]:
    """Return what of some files, by their paths, no release keeps; of what lies in a folder, the folder."""
    tops = {name if "/" not in name else f"{name.partition('/')[0]}/" for name in names}
    return sorted(tops - TAKEN)


def _few(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{shown}{more} {'does' if len(names) == 1 else 'do'}"
