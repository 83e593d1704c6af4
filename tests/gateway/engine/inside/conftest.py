"""torch and vLLM are imported when a test needs them, not when tests are collected: it takes seconds."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def vllm_layers() -> ModuleType:
    """The module ``layers`` beside this one."""
    for needed in ("torch", "vllm"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vLLM's imports warn
        return importlib.import_module("tests.gateway.engine.inside.layers")
