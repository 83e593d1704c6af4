"""Over HTTP: one tenant's flood, full queues, deadlines, clients that leave, and adapters that take turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.gateway.engine.supervisor import Phase
from postil.plugins import ReleaseRef
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.support.plain_http import plain_client

At = tuple[FakeVLLM, str]
RETRY = """
output: {labels: [symptoms, appointment, billing]}
validators: [{name: labels}]
fallback: [{name: ask_again, config: {instruction: One of the labels}}]
"""


@asynccontextmanager
async def house_of(folder: Path, at: At, **settings: Any) -> AsyncIterator[tuple[House, str, str]]:
    """A gateway with two live adapters, and the keys of a tenant for each."""
    async with running_house(folder, *at, **{"tenant_connections": 1024, **settings}) as house:
        await house.publish("healthcare/triage", FREE_TEXT, seed=1)
        await house.publish("finance/intent", FREE_TEXT, seed=2)
        clinic, bank = await house.tenant("clinic", "healthcare"), await house.tenant("bank", "finance")
        await until(lambda: len(house.engine.adapters) == 2)
        house.engine.requests.clear()
        yield house, clinic, bank


def say(house: House, key: str, text: str = "hello", headers: dict[str, str] | None = None, **body: Any) -> Any:
    """One request, sent but not waited for."""
    messages = [{"role": "user", "content": text}]
    request = house.client.post(
        "/v1/chat/completions", headers={**bearer(key), **(headers or {})}, json={"messages": messages, **body}
    )
    return asyncio.create_task(request)


def waiting(house: House) -> int:
    return house.runtime.scheduler.queue.waiting


def running(house: House) -> int:
    return house.runtime.scheduler.queue.running


def texts(house: House) -> list[str]:
    return [body["messages"][-1]["content"] for body in house.engine.requests]


async def test_500_requests_of_one_tenant_hold_up_another_by_no_more_than_one_place(
    tmp_path: Path, engine_at: At
) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=8) as (house, clinic, bank):
        house.engine.gate.clear()
        limits = httpx.Limits(max_connections=600)
        async with plain_client(house.url, timeout=60, limits=limits) as client:
            body = {"messages": [{"role": "user", "content": "flood"}]}
            flood = [
                asyncio.create_task(client.post("/v1/chat/completions", headers=bearer(clinic), json=body))
                for _ in range(500)
            ]
            await until(lambda: (running(house), waiting(house)) == (8, 492))
            await until(lambda: len(house.engine.requests) == 8)
            first = say(house, bank, "first")
            await until(lambda: waiting(house) == 493)
            house.engine.gate.set()
            assert (await first).status_code == 200
            # Of all that waited, it went first: no other left the queue before it.
            assert texts(house)[:9].count("flood") == 8
            assert "first" in texts(house)[8:16]
            assert {response.status_code for response in await asyncio.gather(*flood)} == {200}
        assert len(house.engine.requests) == 501
        assert (running(house), waiting(house)) == (0, 0)


def sequences(house: House, last: str) -> int:
    """How many sequences the engine generates for those whose conversation, or first prompt, is this."""
    bodies = [body for body in house.engine.requests if last in str(body.get("messages") or body.get("prompt"))]
    return sum((body.get("n") or 1) * (len(body["prompt"]) if "prompt" in body else 1) for body in bodies)


@pytest.mark.parametrize("batched", [False, True], ids=["n", "prompts"])
async def test_eight_answers_a_request_do_not_crowd_out_a_tenant_that_asks_for_one_at_a_time(
    tmp_path: Path, engine_at: At, batched: bool
) -> None:
    """Each took one place, whatever it asked for: 64 sequences beside the honest tenant's 8, in an engine for 16."""
    async with house_of(tmp_path, engine_at, max_concurrent_requests=16) as (house, clinic, bank):
        house.engine.gate.clear()
        honest = [say(house, bank, "honest") for _ in range(8)]
        await until(lambda: running(house) == 8)
        prompts = {"prompt": ["greedy"] * 8}
        chats = {"messages": [{"role": "user", "content": "greedy"}], "n": 8}
        path = "/v1/completions" if batched else "/v1/chat/completions"
        post = house.client.post
        greedy = [
            asyncio.create_task(post(path, headers=bearer(clinic), json=prompts if batched else chats))
            for _ in range(8)
        ]
        await until(lambda: (running(house), waiting(house)) == (16, 7))
        await until(lambda: len(house.engine.requests) == 9)
        assert (sequences(house, "honest"), sequences(house, "greedy")) == (8, 8)
        late = say(house, bank, "late")
        await until(lambda: waiting(house) == 8)
        house.engine.gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*honest, *greedy, late)} == {200}
        assert (running(house), waiting(house)) == (0, 0)


@pytest.mark.parametrize(
    ("path", "body", "param", "says"),
    [
        ("chat/completions", {"n": 9}, "n", "n is 9, and a request may ask for 8 answers in all"),
        ("chat/completions", {"n": "9"}, "n", "n has to be a whole number"),
        ("chat/completions", {"n": True}, "n", "n has to be a whole number"),
        ("completions", {"prompt": ["x"] * 2048}, "prompt", "ask for 2048 answers, and a request may ask for 8 in all"),
        ("completions", {"prompt": [[1], [2], [3]], "n": 3}, "prompt", "ask for 9 answers"),
        ("completions", {"prompt": "x", "prompt_embeds": ["e"] * 8}, "prompt_embeds", "is not taken here"),
        ("completions", {"prompt": "x", "best_of": 20}, "best_of", "best_of is 20"),
    ],
)
async def test_more_answers_than_a_request_may_ask_for_are_refused_and_never_sent(
    house: House, clinic: str, path: str, body: dict[str, Any], param: str, says: str
) -> None:
    chat = {"messages": [{"role": "user", "content": "x"}]} if path.startswith("chat") else {}
    refused = await house.client.post(f"/v1/{path}", headers=bearer(clinic), json={**chat, **body})
    assert refused.status_code == 400
    assert (error := refused.json()["error"])["param"] == param
    assert says in error["message"]
    assert not house.engine.requests


async def test_how_many_answers_a_request_may_ask_for_is_a_setting_and_a_prompt_of_tokens_is_one(
    tmp_path: Path, engine_at: At
) -> None:
    async with house_of(tmp_path, engine_at, max_sequences=20) as (house, clinic, _):
        assert (await say(house, clinic, n=20)).status_code == 200
        tokens = {"model": "base", "prompt": [*range(100)], "n": 20}
        assert (await house.client.post("/v1/completions", headers=bearer(clinic), json=tokens)).status_code == 200
        assert (await say(house, clinic, n=21)).status_code == 400


async def test_a_request_that_would_never_fit_is_refused_at_once_with_the_bound(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=4) as (house, clinic, _):
        refused = await say(house, clinic, n=5)
        assert refused.status_code == 400
        message = refused.json()["error"]["message"]
        assert message == "the request asks for 5 answers, and the engine takes 4 at a time; ask for fewer"
        assert (await say(house, clinic, n=4)).status_code == 200


async def test_a_full_queue_answers_429_at_once_in_openais_shape_and_the_other_tenant_gets_in(
    tmp_path: Path, engine_at: At
) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1, queue_per_tenant=2) as (house, clinic, bank):
        house.engine.gate.clear()
        flood = [say(house, clinic) for _ in range(3)]
        await until(lambda: waiting(house) == 2)
        refused = await say(house, clinic)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        error = refused.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
        other = say(house, bank)
        await until(lambda: waiting(house) == 3)
        assert (await house.admin("GET", "/api/v1/status")).json()["requests_waiting"] == 3
        house.engine.gate.set()
        assert {response.status_code for response in await asyncio.gather(*flood, other)} == {200}


async def test_a_deadline_passed_in_the_queue_is_answered_and_never_sent(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1) as (house, clinic, bank):
        house.engine.gate.clear()
        first = say(house, clinic)
        await until(lambda: len(house.engine.requests) == 1)
        late = await say(house, bank, "late", {"x-request-timeout": "0.05"})
        assert late.status_code == 504
        assert late.json()["error"]["code"] == "deadline_passed"
        house.engine.gate.set()
        await first
        assert (await say(house, bank, "in time", {"x-request-timeout": "20"})).status_code == 200
        assert texts(house) == ["hello", "in time"]


async def test_waiting_for_its_turn_does_not_make_an_answer_a_slow_one(tmp_path: Path, engine_at: At) -> None:
    """Else canaries, whose adapters are in flight less often, would be taken back for that."""
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1) as (house, clinic, bank):
        house.engine.gate.clear()
        first = say(house, clinic)
        await until(lambda: len(house.engine.requests) == 1)
        began = time.perf_counter()
        second = say(house, bank)
        await until(lambda: waiting(house) == 1 and time.perf_counter() - began > 0.3)
        house.engine.gate.set()
        await asyncio.gather(first, second)
        (seen,) = house.runtime.monitor._past[ReleaseRef("finance", "intent", 1)]
        assert 0 < seen.seconds < time.perf_counter() - began - 0.25


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
async def test_a_deadline_that_is_none_is_refused(house: House, clinic: str, value: str) -> None:
    refused = await say(house, clinic, headers={"x-request-timeout": value})
    assert refused.status_code == 400
    assert "number of seconds" in refused.json()["error"]["message"]


async def test_everybodys_deadline_is_a_setting(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1, queue_timeout_seconds=0.05) as (
        house,
        clinic,
        bank,
    ):
        house.engine.gate.clear()
        first = say(house, clinic)
        await until(lambda: len(house.engine.requests) == 1)
        assert (await say(house, bank)).status_code == 504
        house.engine.gate.set()
        assert (await first).status_code == 200


async def test_who_leaves_while_waiting_is_never_sent(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1) as (house, clinic, bank):
        house.engine.gate.clear()
        first, second = say(house, clinic), say(house, bank, "gone")
        await until(lambda: (running(house), waiting(house)) == (1, 1))
        gone = second if texts(house) == ["hello"] else first
        gone.cancel()
        await until(lambda: waiting(house) == 0)
        house.engine.gate.set()
        await asyncio.gather(first, second, return_exceptions=True)
        assert len(house.engine.requests) == 1


async def test_who_leaves_while_being_answered_makes_room_and_is_cancelled_in_the_engine(
    tmp_path: Path, engine_at: At
) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1) as (house, clinic, bank):
        house.engine.gate.clear()
        first = say(house, clinic)
        await until(lambda: len(house.engine.requests) == 1)
        second = say(house, bank)
        await until(lambda: waiting(house) == 1)
        first.cancel()
        await until(lambda: len(house.engine.requests) == 2)
        assert house.engine.cancelled == 1
        house.engine.gate.set()
        assert (await second).status_code == 200


async def test_a_stream_holds_its_place_until_it_ends(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1) as (house, clinic, bank):
        house.engine.raw = lambda body: [b'data: {"choices": []}\n\n', b""] if body.get("stream") else []
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(clinic), json=body) as stream:
            pieces = stream.aiter_bytes()
            await anext(pieces)
            second = say(house, bank)
            await until(lambda: waiting(house) == 1)
            assert len(house.engine.requests) == 1
            await pieces.aclose()  # type: ignore[attr-defined]
        assert (await second).status_code == 200
        await until(lambda: running(house) == 0)
        assert house.engine.cancelled == 1


async def test_the_base_waits_its_turn_too_but_needs_no_adapters_slot(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=2, max_loras=1) as (house, clinic, bank):
        house.engine.gate.clear()
        one = say(house, clinic)
        await until(lambda: len(house.engine.requests) == 1)
        other, base = say(house, bank, "other"), say(house, bank, "base", model="base")
        await until(lambda: (running(house), waiting(house)) == (2, 1))
        await until(lambda: texts(house) == ["hello", "base"])
        house.engine.gate.set()
        answers = await asyncio.gather(one, other, base)
        assert {answer.status_code for answer in answers} == {200}


async def test_asking_again_takes_a_place_anew_and_never_waits_for_one_with_one_in_hand(
    tmp_path: Path, engine_at: At
) -> None:
    """With a single place, holding it while waiting for a second would be the end."""
    async with running_house(tmp_path, *engine_at, max_concurrent_requests=1, max_loras=1) as house:
        await house.publish("healthcare/triage", RETRY, seed=1)
        key = await house.tenant("clinic", "healthcare")
        house.engine.reply = lambda body: Reply() if "One of" in str(body["messages"]) else Reply("nonsense")
        answers = await asyncio.gather(*(say(house, key) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {200}
        assert (running(house), waiting(house)) == (0, 0)
        assert len(house.engine.requests) == 6


async def test_who_waits_while_the_engine_is_given_up_is_told_and_not_sent_there(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at, max_concurrent_requests=1) as (house, clinic, _):
        house.engine.gate.clear()
        first, second = say(house, clinic, "first"), say(house, clinic, "second")
        await until(lambda: waiting(house) == 1 and texts(house) == ["first"])
        # As the supervisor does that finds it hung.
        supervisor = house.runtime.engine._supervisor
        assert supervisor is not None
        supervisor.phase = Phase.DOWN
        await house.runtime.engine.client.cut()
        assert [answer.status_code for answer in await asyncio.gather(first, second)] == [503, 503]
        assert texts(house) == ["first"]
        house.engine.gate.set()


async def test_a_deadline_is_for_the_first_turn_and_not_for_being_asked_again(tmp_path: Path, engine_at: At) -> None:
    async with house_of(tmp_path, engine_at) as (house, clinic, _):
        await house.publish("healthcare/labels", RETRY)
        house.engine.reply = lambda body: Reply('{"category": "billing"}' if len(house.engine.requests) > 1 else "none")
        house.engine.requests.clear()
        house.engine.gate.clear()
        asked = say(house, clinic, "x", {"x-request-timeout": "0.2"}, model="healthcare/labels")
        await until(lambda: len(house.engine.requests) == 1)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 0.2)
        house.engine.gate.set()
        answer = await asked
        assert (answer.status_code, len(house.engine.requests)) == (200, 2)
        assert "ask_again" in answer.headers["x-postil-fallback"]
