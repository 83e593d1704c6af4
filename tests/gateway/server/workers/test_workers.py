"""Workers answer as one gateway: what one may, all may; what is taken back is taken back everywhere at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.gateway.engine.supervisor import Phase
from postil.gateway.server.workers.updates import without_secrets
from postil.gateway.telemetry import metric_table as metrics
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import TRIAGE, House, bearer, until
from tests.gateway.server.workers.conftest import ASKED, NAME, WORKERS, ask, everybody, opened, running_pool, workers
from tests.gateway.telemetry.test_sums import read


async def test_every_worker_answers_whole_and_streamed_and_passes_the_rest_on(pooled: House) -> None:
    key = await opened(pooled)
    async with everybody(pooled) as clients:
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
    status = (await pooled.admin("GET", "/api/v1/status")).json()
    assert status["workers"] == status["workers_serving"] == WORKERS
    _, shown, _ = await postil(pooled, "status")
    assert f"workers: {WORKERS} of {WORKERS} take requests" in shown


async def test_a_move_is_in_force_with_every_worker_when_it_is_answered(pooled: House) -> None:
    key = await opened(pooled)
    async with everybody(pooled) as clients:
        for move in range(20):
            number = 2 - move % 2
            moved = await pooled.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": number})
            assert moved.status_code == 200
            answers = await asyncio.gather(*(ask(client, key) for client in clients))
            assert {answer.headers["x-postil-release"] for answer in answers} == {f"{NAME}@{number}"}


async def test_a_revoked_key_is_refused_by_every_worker_when_that_is_answered(pooled: House) -> None:
    key = await opened(pooled)
    async with everybody(pooled) as clients:
        assert {(await ask(client, key)).status_code for client in clients} == {200}
        assert (await pooled.admin("DELETE", f"/api/v1/keys/{key.split('_')[1]}")).is_success
        assert {(await ask(client, key)).status_code for client in clients} == {401}


async def test_limits_are_those_of_all_workers_together(pooled: House) -> None:
    key = await opened(pooled)
    limits = await pooled.admin("PUT", "/api/v1/tenants/clinic/limits", json={"requests_per_minute": 5})
    assert limits.is_success, limits.text
    async with everybody(pooled) as clients:
        answers = [await ask(clients[turn % WORKERS], key) for turn in range(8)]
    assert sum(answer.status_code == 200 for answer in answers) in range(5, 7)  # A minute may have turned.
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["x-ratelimit-limit-requests"] == "5"


async def test_new_grammars_are_counted_for_all_workers_together(tmp_path: Path, engine_at: Any) -> None:
    async with running_pool(tmp_path, *engine_at, tenant_grammar_seconds_per_minute=4) as pooled:
        key = await pooled.tenant("clinic", "healthcare")
        async with everybody(pooled) as clients:
            for client, title, status in [(0, "a", 200), (1, "b", 200), (1, "a", 200), (0, "c", 429)]:
                schema = {"type": "object", "properties": {title: {"type": "string", "maxLength": 1000}}}
                outputs = {"structured_outputs": {"json": schema}}
                answer = await ask(clients[client % WORKERS], key, model="base", **outputs)
                assert answer.status_code == status, answer.text
            assert int(answer.headers["retry-after"]) > 0


async def test_what_is_used_is_counted_once_whoever_answered(pooled: House) -> None:
    key = await opened(pooled)
    async with everybody(pooled) as clients:
        for client in clients:
            await ask(client, key)
            await ask(client, key, stream=True)

    async def counted() -> int:
        rows = (await pooled.admin("GET", "/api/v1/usage")).json()["data"]
        return int(rows[0]["requests"]) if rows else 0

    async with asyncio.timeout(20):
        while await counted() < 2 * WORKERS:  # noqa: ASYNC110 - the ledger sets no event
            await asyncio.sleep(0.05)
    assert await counted() == 2 * WORKERS


async def test_no_more_are_at_the_engine_than_may_be_and_who_leaves_makes_room(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_pool(tmp_path, *engine_at, max_concurrent_requests=1) as pooled:
        key = await opened(pooled)
        pooled.engine.requests.clear()
        pooled.engine.gate.clear()
        async with everybody(pooled) as (one, other):
            first = asyncio.create_task(ask(one, key))
            await until(lambda: len(pooled.engine.requests) == 1)
            second = asyncio.create_task(ask(other, key))
            await until(lambda: pooled.runtime.scheduler.queue.waiting == 1)
            late = await other.post(
                "/v1/chat/completions", headers={**bearer(key), "x-request-timeout": "0.05"}, json=ASKED
            )
            assert late.status_code == 504
            assert len(pooled.engine.requests) == 1
            first.cancel()  # Its client hangs up; the seat goes to whoever waits at the other worker.
            pooled.engine.gate.set()
            assert (await second).status_code == 200
        await until(lambda: pooled.runtime.scheduler.queue.running == 0)


async def test_a_request_takes_as_many_places_as_it_has_answers_and_one_that_never_fits_is_refused(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_pool(tmp_path, *engine_at, max_concurrent_requests=4) as pooled:
        key = await opened(pooled)
        pooled.engine.gate.clear()
        async with everybody(pooled) as (one, other):
            first = asyncio.create_task(one.post("/v1/chat/completions", headers=bearer(key), json={**ASKED, "n": 3}))
            await until(lambda: pooled.runtime.scheduler.queue.running == 3)
            refused = await other.post("/v1/chat/completions", headers=bearer(key), json={**ASKED, "n": 5})
            assert refused.status_code == 400
            assert "the engine takes 4 at a time" in refused.json()["error"]["message"]
            pooled.engine.gate.set()
            assert (await first).status_code == 200
        await until(lambda: pooled.runtime.scheduler.queue.running == 0)


async def test_weights_that_the_engine_lost_are_loaded_again_whoever_finds_out(pooled: House) -> None:
    key = await opened(pooled)
    async with everybody(pooled) as clients:
        pooled.engine.adapters.clear()
        loads = pooled.engine.loads
        answers = await asyncio.gather(*(ask(client, key) for client in clients))
    assert {answer.status_code for answer in answers} == {200}
    assert pooled.engine.loads in (loads + 1, loads + 2)


async def test_a_review_is_kept_by_whichever_worker_answered(pooled: House) -> None:
    held = TRIAGE.partition("fallback:")[0] + "fallback: [{name: review, config: {content: a person looks at it}}]"
    await pooled.publish(NAME, held)
    key = await pooled.tenant("clinic", "healthcare")
    pooled.engine.reply = lambda body: Reply(logprob=-3.0)
    async with everybody(pooled) as clients:
        for client in clients:
            answer = await ask(client, key, seed=2**62)
            assert answer.status_code == 200, answer.text
    assert len((await pooled.admin("GET", "/api/v1/reviews")).json()["data"]) == WORKERS


async def test_an_engine_that_hangs_is_found_behind_workers_and_who_waits_is_told_at_once(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_pool(tmp_path, *engine_at, engine_stall_seconds=0.3) as pooled:
        key = await opened(pooled)
        pooled.engine.requests.clear()
        pooled.engine.gate.clear()
        async with everybody(pooled) as (one, other):
            waiting = [asyncio.create_task(ask(client, key, stream=client is other)) for client in (one, other)]
            answers = await asyncio.gather(*waiting)
            assert {answer.status_code for answer in answers} == {503}
            # What is left of what the last start took, which the workers know too; after it, 5 s.
            assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers)
            late = [await ask(client, key) for client in (one, other)]
            assert {answer.status_code for answer in late} == {503}
            pooled.engine.gate.set()
            await until(lambda: pooled.runtime.engine.phase is Phase.READY)
            assert {(await ask(client, key)).status_code for client in (one, other)} == {200}


async def refusals(pooled: House) -> list[dict[str, Any]]:
    """The denied attempts, once there are some: they are stored beside the answer."""
    async with asyncio.timeout(30):
        while True:
            found: list[dict[str, Any]] = (await pooled.admin("GET", "/api/v1/denied-attempts")).json()["data"]
            if found:
                return found
            await asyncio.sleep(0.05)


async def test_what_is_too_large_or_wrong_is_told_by_the_primary_through_a_worker(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_pool(tmp_path, *engine_at, upload_limit_mib=1) as pooled:
        folder = write_adapter(tmp_path / "large")
        (folder / "adapter_model.safetensors").write_bytes(b"x" * (3 << 20))
        large = await pooled.upload(NAME, folder)
        assert large.status_code == 413, large.text
        wrong = await pooled.client.post(
            f"/api/v1/adapters/{NAME}/promote", headers=bearer(pooled.admin_key), content=b"{", timeout=30
        )
        assert wrong.status_code in (400, 415)
        nobody = await pooled.client.get("/api/v1/status", headers={**bearer("nobody"), "x-postil-client": "192.0.2.1"})
        assert nobody.status_code == 401
        (refused,) = await refusals(pooled)
        assert refused["address"] == "127.0.0.1"


async def test_a_wrong_key_on_v1_leaves_a_trace_through_a_worker(pooled: House) -> None:
    answer = await pooled.client.post("/v1/chat/completions", headers=bearer("nobody"), json={"messages": []})
    assert answer.status_code == 401
    (refused,) = await refusals(pooled)
    assert (refused["actor"], refused["address"]) == ("nobody", "127.0.0.1")
    assert refused["route"] == "POST /v1/chat/completions"


async def test_a_release_goes_in_and_out_through_a_worker(pooled: House) -> None:
    await pooled.publish(NAME)
    async with pooled.client.stream(
        "GET", f"/api/v1/adapters/{NAME}/releases/1/artifact", headers=bearer(pooled.admin_key)
    ) as exported:
        assert exported.status_code == 200
        assert len(await exported.aread()) > 1000


async def test_a_worker_is_given_none_of_the_primarys_secrets(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTIL_ENGINE_ARGS", "not for strangers")
    monkeypatch.setenv("POSTIL_PLUGIN_TOKEN", "for plugins")
    async with running_pool(tmp_path, *engine_at, engine_args="not for strangers") as pooled:
        assert without_secrets(pooled.runtime.settings).engine_args == ""
        for worker in workers():
            known = {name: text for name, text in worker.environ().items() if name.startswith("POSTIL_")}
            assert known == {"POSTIL_PLUGIN_TOKEN": "for plugins"}


async def test_a_body_that_comes_in_chunks_goes_on_as_it_comes(pooled: House) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"name": "firm", '
        yield b'"domains": ["legal"]}'

    headers = {**bearer(pooled.admin_key), "content-type": "application/json"}
    made = await pooled.client.post("/api/v1/tenants", headers=headers, content=body())
    assert made.status_code == 201, made.text
    assert made.json()["name"] == "firm"


async def test_odd_addresses_are_answered_as_the_primary_answers_them(pooled: House) -> None:
    host, _, port = pooled.url.removeprefix("http://").partition(":")

    async def status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
        key = pooled.runtime.keys.front.encode()
        writer.write(line + b" HTTP/1.1\r\nhost: postil\r\nx-postil-front-key: %b\r\nconnection: close\r\n\r\n" % key)
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    for line in (b"OPTIONS *", b"GET //x//y", b"GET /%2e%2e/%00?a=%zz&b", b"HEAD /health/live"):
        inside = await status(*await asyncio.open_unix_connection(pooled.runtime.run_folder / "front.sock"), line)
        assert await status(*await asyncio.open_connection(host, int(port)), line) == inside
        assert b" 500 " not in inside


async def test_a_program_of_the_same_user_is_not_answered_at_the_socket_between_the_processes(pooled: House) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(pooled.runtime.run_folder / "front.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://postil", timeout=30) as stranger:
        shows: list[dict[str, str]] = [{}, {"x-postil-front-key": "guessed"}, {"x-postil-client": "10.0.0.1"}]
        for shown in shows:
            given = {**bearer(pooled.admin_key), **shown}
            for path in ("/api/v1/status", "/v1/models", "/health/live"):
                assert (await stranger.get(path, headers=given)).status_code == 403
    # At the port such a header is nobody's key, and harms nobody.
    odd = await pooled.client.get("/api/v1/status", headers={**bearer(pooled.admin_key), "x-postil-front-key": "x"})
    assert odd.status_code == 200


async def test_what_workers_answer_is_in_the_primarys_metrics(pooled: House) -> None:
    key = await opened(pooled)
    async with everybody(pooled) as clients:
        for client in clients:
            assert (await ask(client, key)).status_code == 200
        pooled.runtime.metrics.kept_seconds = 0.0
        series = (metrics.REQUESTS, NAME, "1", "stable", "answered")
        await until(lambda: pooled.runtime.sums.copy().get(series) == [len(clients)])
        shown = await clients[0].get("/metrics", headers=bearer(pooled.admin_key))
    found = read(shown.content)
    assert found[metrics.REQUESTS, (NAME, "1", "stable", "answered")] == WORKERS
    assert found[metrics.ENGINE_REQUESTS, (NAME, "1", "answer")] == WORKERS
    assert found[metrics.WORKERS, ()] == WORKERS
