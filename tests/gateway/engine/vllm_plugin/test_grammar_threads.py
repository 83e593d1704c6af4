"""Grammars are compiled in many threads of the lowest priority, so that one that takes long holds up nobody's."""

from __future__ import annotations

import ast
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from postil.gateway.engine.vllm_plugin.grammar_threads import MODULE, THREADS, widen
from tests.support.vllm_source import tree_of


def module_of(executor: bool = True) -> tuple[ModuleType, type[Any]]:
    """As much of vLLM's module as counts here."""

    class StructuredOutputManager:
        def __init__(self, config: str) -> None:
            self.config = config
            if executor:
                self.executor = ThreadPoolExecutor(max_workers=1)

    module = ModuleType(MODULE)
    module.StructuredOutputManager = StructuredOutputManager  # type: ignore[attr-defined]
    return module, StructuredOutputManager


def test_a_grammar_that_takes_long_holds_up_no_other() -> None:
    module, manager = module_of()
    widen(module)
    widen(module)  # vLLM calls its plugins more than once.
    made, ends = manager("config"), threading.Event()
    try:
        held = [made.executor.submit(ends.wait) for _ in range(THREADS - 1)]
        assert made.executor.submit(lambda: "compiled").result(timeout=30) == "compiled"
        assert not any(each.done() for each in held)
        assert made.config == "config"
    finally:
        ends.set()
        made.executor.shutdown()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_the_threads_and_those_that_they_start_give_way() -> None:
    module, manager = module_of()
    widen(module)
    executor, own = manager("config").executor, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    found: list[int] = []

    def priority() -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def both() -> None:
        priority()
        inner = threading.Thread(target=priority)
        inner.start()
        inner.join()

    executor.submit(both).result(timeout=30)
    executor.shutdown()
    assert found == [19, 19]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own


def test_an_engine_without_a_tokenizer_stays_as_it_is() -> None:
    module, manager = module_of(executor=False)
    widen(module)
    assert not hasattr(manager("config"), "executor")


def test_a_vllm_that_has_become_another_starts_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    widen(ModuleType(MODULE))
    assert "may hold up the label answers of others" in caplog.text


def test_the_vllm_that_is_installed_has_what_is_changed() -> None:
    tree = tree_of("v1", "structured_output", "__init__.py")
    (manager,) = (each for each in tree.body if getattr(each, "name", "") == "StructuredOutputManager")
    assert "self.executor = ThreadPoolExecutor(" in ast.unparse(manager)
    assert "self.executor.submit(self._create_grammar, request)" in ast.unparse(manager)
