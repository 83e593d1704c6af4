"""Whatever is sent to whichever route of the document through workers: no 5xx, and nothing told of where it runs."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.api.test_whole_document import ask_all
from tests.gateway.conftest import House, bearer
from tests.gateway.server.workers.conftest import NAME


@pytest.mark.parametrize("keyed", [True, False], ids=["admin", "no key"])
async def test_no_route_fails_or_tells_where_it_runs_behind_workers(pooled: House, keyed: bool) -> None:
    await pooled.publish(NAME)
    assert await asyncio.to_thread(ask_all, pooled, pooled.admin_key if keyed else None)


async def test_an_answer_through_a_worker_names_its_request_and_its_time_once(pooled: House) -> None:
    await pooled.publish(NAME)
    key = await pooled.tenant("clinic", NAME.partition("/")[0])
    pooled.engine.named.clear()
    for path, body in (
        ("/v1/models", None),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ):
        answer = await pooled.client.request(
            "POST" if body else "GET", path, headers={**bearer(key), "X-Request-Id": "mine"}, json=body
        )
        assert answer.status_code == 200, answer.text
        for name in ("date", "x-request-id", "content-length"):
            assert len(answer.headers.get_list(name)) == 1, (path, name)
        assert answer.headers["x-request-id"] == "mine"
    assert {*pooled.engine.named} == {"mine"}
    head = await pooled.client.head("/v1/models", headers=bearer(key))
    assert (head.status_code, head.content) == (200, b"")
