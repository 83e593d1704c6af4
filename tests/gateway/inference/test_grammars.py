"""Over HTTP: schemas and grammars of clients that would hold up the engine for everybody, and those that may pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house

Json = dict[str, Any]
STRING: Json = {"type": "string"}
SLOW: Json = {"type": "object", "properties": {f"f{i}": {**STRING, "maxLength": 100 + i} for i in range(60)}}
GOOD: Json = {"type": "object", "properties": {"a": STRING}, "required": ["a"]}
LOOP: Json = {"$ref": "#"}


def dear(number: int) -> Json:
    """A schema within the bound, but not by much; each number is another one."""
    return {"type": "object", "properties": {f"a{number}": {**STRING, "maxLength": 1000}}}


def tools(schema: Json) -> list[Json]:
    return [{"type": "function", "function": {"name": "call", "parameters": schema}}]


def form(schema: Json) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


WAYS: dict[str, Any] = {
    "response_format": lambda schema: {"response_format": form(schema)},
    "structured_outputs": lambda schema: {"structured_outputs": {"json": schema}},
    "tools": lambda schema: {"tools": tools(schema), "tool_choice": "required"},
}


@pytest.fixture
async def key(house: House) -> str:
    """The key of a tenant without any right of its own but the base."""
    return await house.tenant("clinic", "healthcare")


async def ask(house: House, key: str, body: Json) -> Any:
    return await house.ask(key, model="base", **body)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("schema", [SLOW, LOOP, {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}])
async def test_a_schema_that_holds_up_the_engine_never_gets_there(
    house: House, key: str, way: str, schema: Json
) -> None:
    answer = await ask(house, key, WAYS[way](schema))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, way)
    assert house.engine.requests == []


@pytest.mark.parametrize("way", WAYS)
async def test_an_ordinary_schema_passes(house: House, key: str, way: str) -> None:
    assert (await ask(house, key, WAYS[way](GOOD))).status_code == 200


@pytest.mark.parametrize(
    "outputs",
    [
        {"regex": "(a+)+b"},
        {"grammar": 'root ::= "a"'},
        {"structural_tag": "{}"},
        {"json": GOOD, "whitespace_pattern": " "},
    ],
)
async def test_grammars_of_ones_own_need_the_tenants_right(house: House, key: str, outputs: Json) -> None:
    refused = await ask(house, key, {"structured_outputs": outputs})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_forbidden")
    assert house.engine.requests == []
    may = await house.tenant("lab", "healthcare", rights=["base", "grammars"])
    assert (await ask(house, may, {"structured_outputs": outputs})).status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"structured_outputs": {"choice": ["x"] * 2000}}, "choice"),
        ({"structured_outputs": {"choice": []}}, "choice"),
        ({"structured_outputs": "json"}, "object"),
        ({"structured_outputs": {"json": "{"}}, "not JSON"),
        ({"structured_outputs": {"json": '{"$ref": "#"}'}}, "back to itself"),
        ({"tools": tools({"type": "object", "description": "x" * 40_000})}, "32768"),
        (
            {
                "tools": [
                    t for i in range(3) for t in tools({**GOOD, "properties": {"a": {**STRING, "maxLength": 200 + i}}})
                ]
            },
            "compile",
        ),
    ],
)
async def test_what_cannot_be_compiled_in_time_is_refused(house: House, key: str, body: Json, says: str) -> None:
    answer = await ask(house, key, body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]
    assert house.engine.requests == []


async def test_tools_that_may_not_be_called_constrain_nothing(house: House, key: str) -> None:
    assert (await ask(house, key, {"tools": tools(SLOW), "tool_choice": "none"})).status_code == 200


async def test_a_tenant_may_be_let_have_larger_schemas(house: House, key: str) -> None:
    body = {"tools": tools({"type": "object", "description": "x" * 40_000})}
    assert (await ask(house, key, body)).status_code == 400
    await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"schema_kib": 64})
    assert (await ask(house, key, body)).status_code == 200


async def test_a_tenant_gets_some_seconds_of_compiling_a_minute_and_repeats_cost_little(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, tenant_grammar_seconds_per_minute=4) as house:
        key, other = await house.tenant("clinic", "healthcare"), await house.tenant("bank", "finance")
        bodies = [WAYS["response_format"](dear(index)) for index in range(3)]
        statuses = [(await ask(house, key, body)).status_code for body in (*bodies[:2], *bodies)]
        assert statuses == [200, 200, 200, 200, 429]
        refused = await ask(house, key, bodies[2])
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert (await ask(house, other, bodies[2])).status_code == 200
        assert (await ask(house, key, WAYS["response_format"](GOOD))).status_code == 200


async def test_grammars_whose_time_nobody_can_tell_count_as_the_longest(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, tenant_grammar_seconds_per_minute=6) as house:
        key = await house.tenant("lab", "healthcare", rights=["base", "grammars"])
        asked = [await ask(house, key, {"structured_outputs": {"regex": f"a{index}"}}) for index in range(3)]
        assert [answer.status_code for answer in asked] == [200, 200, 429]


async def test_tools_without_parameters_are_counted_too(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, tenant_grammar_seconds_per_minute=1) as house:
        key = await house.tenant("clinic", "healthcare")
        statuses: list[int] = []
        for number in range(8):
            functions = [{"name": f"call_{number}_{index}"} for index in range(100)]
            asked = [{"type": "function", "function": function} for function in functions]
            statuses.append((await ask(house, key, {"tools": asked, "tool_choice": "required"})).status_code)
        assert statuses[0] == 200
        assert statuses[-1] == 429
