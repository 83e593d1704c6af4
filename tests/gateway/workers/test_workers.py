"""Workers answer as one gateway: what one may, all may; what is taken back is taken back everywhere at once."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from postil.gateway.crew import CrewError
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import TRIAGE, House, bearer, until
from tests.gateway.workers.conftest import WORKERS, everybody, running_crew, workers

NAME = "healthcare/triage"
ASKED = {"model": "healthcare", "messages": [{"role": "user", "content": "my head hurts"}]}


async def ask(client: httpx.AsyncClient, key: str, **body: object) -> httpx.Response:
    """One chat completion over a client's own connection."""
    return await client.post("/v1/chat/completions", headers=bearer(key), json={**ASKED, **body})


async def opened(house: House) -> str:
    """Two releases, the first of them live; the key of a tenant that may ask."""
    await house.publish(NAME)
    await house.publish(NAME, TRIAGE, seed=1, live=False)
    return await house.tenant("clinic", "healthcare")


async def test_every_worker_answers_whole_and_streamed_and_passes_the_rest_on(crew: House) -> None:
    key = await opened(crew)
    async with everybody(crew) as clients:
        for client in clients:
            answer = await ask(client, key)
            assert answer.status_code == 200
            assert answer.headers["x-postil-release"] == f"{NAME}@1"
            streamed = await ask(client, key, stream=True)
            assert streamed.text.rstrip().endswith("data: [DONE]")
            models = (await client.get("/v1/models", headers=bearer(key))).json()["data"]
            assert NAME in {model["id"] for model in models}
            assert (await ask(client, "nobody's")).status_code == 401
            assert (await ask(client, key, model="legal")).status_code == 404
            assert (await client.get("/health/ready")).status_code == 200
    status = (await crew.admin("GET", "/api/status")).json()
    assert status["workers"] == status["workers_serving"] == WORKERS


async def test_a_move_is_in_force_with_every_worker_when_it_is_answered(crew: House) -> None:
    key = await opened(crew)
    async with everybody(crew) as clients:
        for move in range(20):
            number = 2 - move % 2
            moved = await crew.admin("POST", f"/api/adapters/{NAME}/promote", json={"release": number})
            assert moved.status_code == 200
            answers = await asyncio.gather(*(ask(client, key) for client in clients))
            assert {answer.headers["x-postil-release"] for answer in answers} == {f"{NAME}@{number}"}


async def test_a_revoked_key_is_refused_by_every_worker_when_that_is_answered(crew: House) -> None:
    key = await opened(crew)
    async with everybody(crew) as clients:
        assert {(await ask(client, key)).status_code for client in clients} == {200}
        assert (await crew.admin("DELETE", f"/api/keys/{key.split('_')[1]}")).is_success
        assert {(await ask(client, key)).status_code for client in clients} == {401}


async def test_limits_are_those_of_all_workers_together(crew: House) -> None:
    key = await opened(crew)
    limits = await crew.admin("PUT", "/api/tenants/clinic/limits", json={"requests_per_minute": 5})
    assert limits.is_success, limits.text
    async with everybody(crew) as clients:
        answers = [await ask(clients[turn % WORKERS], key) for turn in range(8)]
    assert sum(answer.status_code == 200 for answer in answers) in range(5, 7)  # A minute may have turned.
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["x-ratelimit-limit-requests"] == "5"


async def test_what_is_used_is_counted_once_whoever_answered(crew: House) -> None:
    key = await opened(crew)
    async with everybody(crew) as clients:
        for client in clients:
            await ask(client, key)
            await ask(client, key, stream=True)

    async def counted() -> int:
        rows = (await crew.admin("GET", "/api/usage")).json()
        return int(rows[0]["requests"]) if rows else 0

    async with asyncio.timeout(20):
        while await counted() < 2 * WORKERS:  # noqa: ASYNC110 - the ledger sets no event
            await asyncio.sleep(0.05)
    assert await counted() == 2 * WORKERS


async def test_no_more_are_at_the_engine_than_may_be_and_who_leaves_makes_room(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_crew(tmp_path, *engine_at, max_in_flight=1) as crew:
        key = await opened(crew)
        crew.engine.requests.clear()
        crew.engine.gate.clear()
        async with everybody(crew) as (one, other):
            first = asyncio.create_task(ask(one, key))
            await until(lambda: len(crew.engine.requests) == 1)
            second = asyncio.create_task(ask(other, key))
            await until(lambda: crew.gateway.admission.turns.waiting == 1)
            late = await other.post(
                "/v1/chat/completions", headers={**bearer(key), "x-request-timeout": "0.05"}, json=ASKED
            )
            assert late.status_code == 504
            assert len(crew.engine.requests) == 1
            first.cancel()  # Its client hangs up; the seat goes to whoever waits at the other worker.
            crew.engine.gate.set()
            assert (await second).status_code == 200
        await until(lambda: crew.gateway.admission.turns.running == 0)


async def test_a_worker_that_is_killed_takes_nothing_with_it_and_is_replaced(crew: House) -> None:
    key = await opened(crew)
    crew.engine.gate.clear()
    crew.engine.requests.clear()
    async with everybody(crew) as clients:
        asked = [asyncio.create_task(ask(client, key)) for client in clients]
        await until(lambda: crew.gateway.admission.turns.running == WORKERS)
        before = {worker.pid for worker in workers()}
        os.kill(min(before), signal.SIGKILL)  # The first client's: they are in the order of their workers.
        with pytest.raises(httpx.TransportError):
            await asked[0]
        await until(lambda: crew.gateway.admission.turns.running == 1)
        crew.engine.gate.set()
        assert (await asked[1]).status_code == 200
    await until(lambda: min(before) not in {worker.pid for worker in workers()})
    async with everybody(crew) as clients:
        assert {(await ask(client, key)).status_code for client in clients} == {200}


async def test_a_worker_that_hears_nothing_is_ended_so_that_a_move_is_in_force(crew: House) -> None:
    key = await opened(crew)
    deaf = workers()[0]
    deaf.suspend()
    # To the keeper itself: the kernel might choose the one that is stopped.
    transport = httpx.AsyncHTTPTransport(uds=str(crew.gateway.run_folder / "front.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://postil", timeout=30) as keeper:
        moved = await keeper.post(
            f"/api/adapters/{NAME}/promote", headers=bearer(crew.admin_key), json={"release": 2}
        )
    assert moved.status_code == 200
    await until(lambda: deaf.pid not in {worker.pid for worker in workers()})
    async with everybody(crew) as clients:
        answers = [await ask(client, key) for client in clients]
    assert {answer.headers["x-postil-release"] for answer in answers} == {f"{NAME}@2"}


async def test_weights_that_the_engine_lost_are_loaded_again_once_for_all(crew: House) -> None:
    key = await opened(crew)
    async with everybody(crew) as clients:
        crew.engine.adapters.clear()
        loads = crew.engine.loads
        answers = await asyncio.gather(*(ask(client, key) for client in clients))
    assert {answer.status_code for answer in answers} == {200}
    assert crew.engine.loads in (loads + 1, loads + 2)


async def test_a_review_is_kept_by_whichever_worker_answered(crew: House) -> None:
    held = TRIAGE.partition("fallback:")[0] + "fallback: [{name: review, config: {content: a person looks at it}}]"
    await crew.publish(NAME, held)
    key = await crew.tenant("clinic", "healthcare")
    crew.engine.reply = lambda body: Reply(logprob=-3.0)
    async with everybody(crew) as clients:
        for client in clients:
            answer = await ask(client, key, seed=2**70)
            assert answer.status_code == 200, answer.text
    assert len((await crew.admin("GET", "/api/reviews")).json()) == WORKERS


async def test_workers_that_do_not_come_up_are_said_so(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(AssertionError, match="a worker ended before it took requests"):
        async with running_crew(tmp_path, *engine_at):
            pass
    assert issubclass(CrewError, Exception)
