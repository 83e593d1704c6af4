"""New grammars are compiled aside, in threads of the lowest priority: they hold up no label and no known one."""

from __future__ import annotations

import ast
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from postil.gateway.engine.vllm_plugin.grammar_threads import KEPT, MODULE, NEW_THREADS, widen
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


def request(text: str, kind: str = "JSON") -> SimpleNamespace:
    """As much of vLLM's request as counts here."""
    return SimpleNamespace(structured_output_request=SimpleNamespace(structured_output_key=(kind, text)))


def compiled(asked: SimpleNamespace) -> str:
    return f"compiled {asked.structured_output_request.structured_output_key[1]}"


@pytest.fixture
def threads() -> Iterator[Any]:
    """What stands in the place of the executor of vLLM's manager."""
    module, manager = module_of()
    widen(module)
    widen(module)  # vLLM calls its plugins more than once.
    made = manager("config")
    assert made.config == "config"
    yield made.executor
    made.executor.shutdown(wait=True, cancel_futures=True)


LABELS = 'root ::= "{\\"label\\": \\"a | b\\"}" | "no"'
HOSTILE = [
    'root ::= "a" | "b"{1,500}',
    'root ::= "a" | b\nb ::= "c"{1,500}',
    'root ::= "a\nb ::= " c{1,500} "x"',
    'root ::= "' + "x" * 9000 + '"',
    'root ::= "\\"',
]


@pytest.mark.parametrize("text", [LABELS, "known"])
def test_however_many_new_grammars_take_long_labels_and_known_ones_wait_for_none(threads: Any, text: str) -> None:
    assert threads.submit(compiled, request("known")).result(timeout=30) == "compiled known"
    ends = threading.Event()
    try:
        held = [threads.submit(lambda asked: ends.wait(), request(f"new {number}")) for number in range(50)]
        assert threads.submit(compiled, request(text)).result(timeout=30) == f"compiled {text}"
        assert not any(each.done() for each in held)
        assert sum(each.running() for each in held) <= NEW_THREADS
    finally:
        ends.set()


@pytest.mark.parametrize("text", HOSTILE)
def test_what_only_begins_like_choices_waits_with_the_new_ones(threads: Any, text: str) -> None:
    found = threads.submit(lambda asked: threading.current_thread().name, request(text, "GRAMMAR"))
    assert found.result(timeout=30).startswith("new-grammar")


def test_what_could_not_be_compiled_stays_new(threads: Any) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            threads.submit(
                lambda asked: (threading.current_thread().name.startswith("new"), 1 / 0), request("a")
            ).result(30)
    where = threads.submit(lambda asked: threading.current_thread().name, request("a")).result(timeout=30)
    assert where.startswith("new-grammar")


def test_what_many_others_were_compiled_after_is_new_again(threads: Any) -> None:
    def where(text: str) -> str:
        return str(threads.submit(lambda asked: threading.current_thread().name, request(text)).result(timeout=30))

    assert where("first").startswith("new")
    assert where("first").startswith("grammar")
    for number in range(KEPT):
        where(str(number))
    assert where("first").startswith("new")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_threads_for_new_grammars_and_those_that_they_start_give_way_and_others_do_not(threads: Any) -> None:
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def both(asked: SimpleNamespace) -> list[int]:
        found: list[int] = []

        def priority() -> None:
            found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

        priority()
        inner = threading.Thread(target=priority)
        inner.start()
        inner.join()
        return found

    assert threads.submit(both, request("new")).result(timeout=30) == [19, 19]
    assert threads.submit(both, request("new")).result(timeout=30) == [own, own]
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
    assert "struct_request.structured_output_key" in ast.unparse(manager)
    assert ast.unparse(manager).count("self.executor.") == 2
    assert "self.executor.shutdown(wait=True, cancel_futures=True)" in ast.unparse(manager)
