"""The source of the vLLM that is installed: to import it takes ten seconds, and to read it none.

``POSTIL_TEST_VLLM`` names the package ``vllm`` of an unpacked wheel, to hold another version's source against ours.
"""

from __future__ import annotations

import ast
import os
from importlib.util import find_spec
from pathlib import Path

OTHER = "POSTIL_TEST_VLLM"


def vllm_folder() -> Path:
    """The folder of vLLM's package. Tests that need it fail without vLLM, which `make setup` installs."""
    if other := os.environ.get(OTHER):
        return Path(other)
    found = find_spec("vllm")
    assert found is not None, "vLLM is not installed; run `make setup`"
    assert found.origin is not None
    return Path(found.origin).parent


def tree_of(*path: str) -> ast.Module:
    """The syntax of a file of vLLM's."""
    return ast.parse(vllm_folder().joinpath(*path).read_text(encoding="utf-8"))
