"""torch and vLLM are imported when a test needs them, not when tests are collected: it takes seconds."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def vllm_layers() -> ModuleType:
    """The module ``layers`` beside this one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vLLM's imports warn
        return importlib.import_module("tests.gateway.engine.vllm_plugin.layers")
