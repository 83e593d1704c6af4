"""The estimates against xgrammar itself, where it is installed: what is let in takes no longer than they say."""

from __future__ import annotations

import json
import string
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from itertools import islice, product
from typing import Any

import pytest

from postil.registry.policy.grammars.schemas import check_time, checked_parts

pytestmark = pytest.mark.skipif(find_spec("xgrammar") is None, reason="vLLM's compiler is not installed")

Schema = dict[str, Any]
STRING: Schema = {"type": "string"}
# As many tokens as the tokenizer has that the figures were measured with.
TOKENS = 49_152
# Machines differ; an estimate that misses a kind of costs is off by tens or thousands.
TIMES, MILLISECONDS = 3.0, 30.0


def record(number: int, part: Callable[[int], Schema], **more: Any) -> Schema:
    properties = {f"f{index}": part(index) for index in range(number)}
    return {"type": "object", "properties": properties, "required": list(properties), **more}


def text(pattern: str, number: int = 1) -> Schema:
    return record(number, lambda i: {**STRING, "pattern": pattern})


# Of each kind of costs one that is let in.
LET_IN: dict[str, Schema] = {
    "properties": record(600, lambda i: STRING),
    "optional properties": record(300, lambda i: STRING, required=[]),
    "further properties": record(100, lambda i: STRING, required=[], additionalProperties=STRING),
    "further properties beside long names": {
        "type": "object",
        "properties": {f"f{index}" * 12: STRING for index in range(8)},
        "additionalProperties": True,
    },
    "counted properties": record(20, lambda i: STRING, required=[], minProperties=10, additionalProperties=STRING),
    "counted beside required ones": record(
        80, lambda i: STRING, required=[f"f{i}" for i in range(70)], maxProperties=75
    ),
    "bounded integers": record(100, lambda i: {"type": "integer", "minimum": -i, "maximum": i + 123456}),
    "bounded numbers": record(60, lambda i: {"type": "number", "minimum": i + 0.12345, "maximum": i + 1234.567891}),
    "large numbers": record(50, lambda i: {"type": "number", "minimum": i - 1e18, "maximum": 1e18 - i}),
    "short lengths": record(10, lambda i: {**STRING, "maxLength": 20 + i}),
    "short lengths from others": record(5, lambda i: {**STRING, "minLength": 1 + i, "maxLength": 20}),
    "least lengths": record(5, lambda i: {**STRING, "minLength": 1 + i}),
    "arrays": record(100, lambda i: {"type": "array", "items": STRING, "maxItems": 100 + i}),
    "formats": record(100, lambda i: {**STRING, "format": ["email", "ipv6", "uri", "duration", "date-time"][i % 5]}),
    "an enum of numbers": {"enum": list(range(5000))},
    "emoji": {"enum": ["\U0001f600" * 32 + str(index) for index in range(200)]},
    "a long text": text("a" * 20_000),
    "wide signs": text("." * 100),
    "classes": text("[a-z0-9]" * 200),
    "escaped classes": text(r"\w\S" * 50),
    "stars": text(".*" * 50),
    "repetitions": text("^[a-z]{001,00100}$"),
    "repetitions again": text("^a{1,100}$", 20),
    "wide repetitions": text("^.{1,20}x.{1,20}$"),
    "alternatives": text("|".join(f"word{i}" for i in range(1000))),
}


@cache
def compiler() -> Any:
    """vLLM's compiler, over texts of up to three signs."""
    import xgrammar

    letters = string.ascii_letters + string.digits + string.punctuation + " "
    texts = ("".join(signs) for length in (1, 2, 3) for signs in product(letters, repeat=length))
    return xgrammar.GrammarCompiler(xgrammar.TokenizerInfo(list(islice(texts, TOKENS))), max_threads=1)


def milliseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


@pytest.mark.parametrize("name", LET_IN)
def test_what_is_let_in_takes_no_longer_than_is_estimated(name: str) -> None:
    from xgrammar import Grammar

    schema = LET_IN[name]
    estimate, written = check_time(checked_parts(schema)), json.dumps(schema)
    front = min(milliseconds(lambda: Grammar.from_json_schema(written)) for _ in range(3))
    assert front <= TIMES * estimate.front + MILLISECONDS / 10, estimate
    tries = compiler()
    took = milliseconds(lambda: tries.compile_json_schema(written))
    assert took <= TIMES * estimate.compile + MILLISECONDS, estimate
