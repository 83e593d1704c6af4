"""What is answered to everybody: whether it is up, as vLLM's clients and balancers ask, and which versions."""

from __future__ import annotations

from importlib import metadata

import pytest

from tests.gateway.conftest import House


async def test_vllms_clients_find_out_whether_it_is_up_without_a_key(house: House) -> None:
    paths = ("/health", "/ping", "/health/ready")
    for path in paths:
        answer = await house.client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    house.runtime.traffic.draining = True
    for path in paths:
        answer = await house.client.get(path)
        assert (answer.status_code, answer.json()) == (503, {"status": "draining"})


async def test_versions_are_told_and_not_how_the_engine_was_built(house: House) -> None:
    for _ in range(2):
        answer = await house.client.get("/version")
        assert answer.json() == {"version": "0.32.0", "postil": metadata.version("postil")}


@pytest.mark.parametrize("said", ["", "<html>", "../../etc", "x" * 99])
async def test_an_engine_that_says_something_else_has_no_version(house: House, said: str) -> None:
    house.engine.version = said
    assert (await house.client.get("/version")).json()["version"] is None


async def test_the_engine_is_asked_for_its_version_once_however_often_strangers_ask(house: House) -> None:
    await house.client.get("/version")
    house.engine.version = "9.9.9"
    assert (await house.client.get("/version")).json()["version"] == "0.32.0"
