"""A vLLM that lost what postil's LoRA products use is told apart, and its log says in one sentence what is gone."""

from __future__ import annotations

import ast
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from postil.gateway.engine.vllm_plugin.internals import OF_ITS_CLASS, OF_ITS_OBJECTS, missing, sentence
from tests.support.vllm_source import tree_of


def method(*parameters: str) -> FunctionType:
    """A function that takes these, and does nothing."""
    made = eval(f"lambda self{''.join(', ' + each for each in parameters)}: None")
    assert isinstance(made, FunctionType)
    return made


def own(**others: Any) -> type:
    """As much of vLLM's class as counts here; None leaves an attribute out."""
    names = {name: method(*takes) for name, takes in OF_ITS_CLASS.items()} | others
    return type("PunicaWrapperCPU", (), {name: each for name, each in names.items() if each is not None})


WHOLE = SimpleNamespace(**dict.fromkeys(OF_ITS_OBJECTS))


def test_one_that_has_everything_lacks_nothing() -> None:
    assert missing(own(), WHOLE) is None


@pytest.mark.parametrize("name", OF_ITS_CLASS)
def test_a_name_that_is_gone_is_named(name: str) -> None:
    assert missing(own(**{name: None}), WHOLE) == f"PunicaWrapperCPU.{name}"


@pytest.mark.parametrize("name", [name for name, takes in OF_ITS_CLASS.items() if takes])
def test_a_parameter_that_is_gone_is_named(name: str) -> None:
    lacks = missing(own(**{name: method(*OF_ITS_CLASS[name][1:])}), WHOLE)
    assert lacks == f"PunicaWrapperCPU.{name} with the parameter {OF_ITS_CLASS[name][0]}"


@pytest.mark.parametrize("name", OF_ITS_OBJECTS)
def test_what_its_objects_have_no_more_is_named(name: str) -> None:
    assert missing(own(), SimpleNamespace()) == f"PunicaWrapperCPU.{name}"


def test_the_log_says_what_is_gone_and_which_vllm_has_it() -> None:
    assert sentence("0.32.9", "PunicaWrapperCPU.indices_len") == (
        "vLLM's own LoRA operations stay in place: vLLM 0.32.9 has no PunicaWrapperCPU.indices_len, which postil's"
        " need; they are made for vLLM 0.32"
    )


def test_the_vllm_that_is_installed_has_all_of_it() -> None:
    text = [tree_of("lora", "punica_wrapper", name) for name in ("punica_base.py", "punica_cpu.py")]
    nodes = [node for tree in text for node in ast.walk(tree)]
    methods = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    for name, takes in OF_ITS_CLASS.items():
        arguments = methods[name].args
        assert {*takes} <= {each.arg for each in (*arguments.args, *arguments.kwonlyargs)}
    assert {*OF_ITS_OBJECTS} <= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
