"""The source of the vLLM that is installed: to import it takes ten seconds, and to read it none."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path


def tree_of(*path: str) -> ast.Module:
    """The syntax of a file of vLLM's. Tests that need it fail without vLLM, which `make setup` installs."""
    found = find_spec("vllm")
    assert found is not None, "vLLM is not installed; run `make setup`"
    assert found.origin is not None
    return ast.parse(Path(found.origin).parent.joinpath(*path).read_text(encoding="utf-8"))
