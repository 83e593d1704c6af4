"""What of a published folder is the adapter, and what only lay beside it."""

from __future__ import annotations

from pathlib import Path

from postil.registry.policy import MAX_POLICY_BYTES, Policy, parse_policy
from postil.registry.preflight import CONFIG, WEIGHTS

REPORT = "training.json"
POLICY = "policy.yaml"
CARD = "README.md"
# An artifact is these and nothing else: a tokenizer or a model card beside them makes no other adapter.
KEPT = frozenset({CONFIG, WEIGHTS, REPORT})


def policy_in(folder: Path) -> Policy | None:
    """The policy that lies in a folder as ``policy.yaml``, or None. Raises PolicyError."""
    path = folder / POLICY
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return parse_policy(file.read(MAX_POLICY_BYTES + 1))


def keep_the_adapter(folder: Path) -> None:
    """Drop what is no part of the adapter from a folder of ``artifacts.incoming()``."""
    for path in folder.iterdir():
        if path.name not in KEPT:
            path.unlink()
