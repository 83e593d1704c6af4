"""A gateway that is told to end: first it is not ready, then its port closes."""

from __future__ import annotations

from postil.gateway.server.app import create_app
from postil.gateway.server.http_protocol import bounded
from postil.gateway.server.shutdown import closing
from postil.gateway.settings import HttpLimits
from tests.fakes.http import serving
from tests.gateway.conftest import House, bearer
from tests.support.plain_http import plain_client


async def test_one_that_leaves_is_not_ready_and_lives_and_answers(house: House, clinic: str) -> None:
    house.runtime.traffic.draining = True
    ready = await house.client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
    assert (await house.client.get("/health/live")).status_code == 200
    assert (await house.ask(clinic)).status_code == 200


async def test_each_answer_of_one_that_leaves_closes_its_connection(house: House, clinic: str) -> None:
    async with (
        serving(closing(house.runtime.traffic, create_app(house.runtime)), http=bounded(HttpLimits())) as url,
        plain_client(url, headers=bearer(clinic)) as client,
    ):
        body = {"messages": [{"role": "user", "content": "x"}]}
        for leaving in (False, True):
            house.runtime.traffic.draining = leaving
            for status, response in (
                (200, await client.get("/v1/models")),
                (200, await client.post("/v1/chat/completions", json=body)),
                (200, await client.post("/v1/chat/completions", json={**body, "stream": True})),
                (400, await client.post("/v1/chat/completions", json={})),
            ):
                assert response.status_code == status
                assert (response.headers.get("connection") == "close") is leaving
