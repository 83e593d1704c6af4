"""All places are taken: health and revocation keep working, and no address takes them all."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from postil.gateway.server.connection_counts import ConnectionCounts, Standing
from postil.gateway.settings import HttpLimits
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.gateway.server.test_http_protocol import QUICK, App, at, sent, told
from tests.support.plain_http import plain_client

At = tuple[FakeVLLM, str]
GET = b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n"


@dataclass(eq=False)
class Held:
    """A connection in the reserve."""

    is_waiting: bool = True
    evicted: bool = False

    def evict(self) -> None:
        self.evicted = True


def standings(counts: ConnectionCounts, *hosts: str | None) -> list[Standing]:
    return [counts.enter(Held(), host) for host in hosts]


def test_an_address_has_its_share_and_others_have_theirs() -> None:
    counts = ConnectionCounts(HttpLimits(connections=100, per_address=2))
    assert standings(counts, *["10.0.0.1"] * 3) == [Standing.OPEN, Standing.OPEN, Standing.RESERVED]
    assert standings(counts, "10.0.0.2", "::ffff:10.0.0.1") == [Standing.OPEN, Standing.RESERVED]


def test_all_addresses_of_one_ipv6_network_are_one() -> None:
    counts = ConnectionCounts(HttpLimits(connections=100, per_address=2))
    given = standings(counts, "2001:db8::1", "2001:db8::2", "2001:db8::3%eth0", "2001:db8:0:1::1")
    assert given == [Standing.OPEN, Standing.OPEN, Standing.RESERVED, Standing.OPEN]


@pytest.mark.parametrize("host", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7", None, "a name"])
def test_a_trusted_proxy_and_a_private_socket_have_no_bound_of_their_own(host: str | None) -> None:
    limits = HttpLimits(connections=100, per_address=1, trusted=("10.0.0.0/8", "2001:db8::/32"))
    assert standings(ConnectionCounts(limits), host, host, host) == [Standing.OPEN] * 3


def test_what_has_left_makes_room() -> None:
    counts = ConnectionCounts(HttpLimits(connections=9, per_address=1))
    first = Held()
    for _ in range(3):
        assert counts.enter(first, "10.0.0.1") is Standing.OPEN
        assert standings(counts, "10.0.0.1") == [Standing.RESERVED]
        counts.leave(first)


def test_whoever_fills_the_reserve_with_silence_gives_way_and_one_that_is_answered_does_not() -> None:
    counts = ConnectionCounts(HttpLimits(connections=16))
    assert set(standings(counts, *(f"10.0.0.{number}" for number in range(14)))) == {Standing.OPEN}
    busy, silent = Held(is_waiting=False), Held()
    assert [counts.enter(each, "10.9.9.9") for each in (busy, silent)] == [Standing.RESERVED] * 2
    probe = Held(is_waiting=False)
    assert counts.enter(probe, "10.0.0.99") is Standing.RESERVED
    assert (busy.evicted, silent.evicted) == (False, True)
    counts.leave(silent)
    assert standings(counts, *["10.0.0.99"] * 257)[-2:] == [Standing.REFUSED, Standing.UNHEARD]
    counts.leave(probe)
    assert standings(counts, "10.0.0.99") == [Standing.RESERVED]


FULL = replace(QUICK, connections=16, head_seconds=20)


async def test_when_all_places_are_taken_only_health_and_the_admin_api_are_answered() -> None:
    async with at(App(), FULL) as port, AsyncExitStack() as open_connections:
        for _ in range(14):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            open_connections.callback(writer.close)
        for path, expected in (
            (b"/health/live", 200),
            (b"/api/v1/keys", 200),
            (b"/v1/models", 503),
            (b"/healthy", 503),
        ):
            status, headers, _ = told(await sent(port, GET % path))
            assert (status, headers["connection"]) == (expected, "close")


async def test_health_is_answered_while_one_address_opens_connections_without_end() -> None:
    async with at(App(), replace(FULL, per_address=4)) as port, AsyncExitStack() as open_connections:
        for _ in range(60):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            open_connections.callback(writer.close)
        for _ in range(5):
            assert told(await sent(port, GET % b"/health/live"))[0] == 200


async def hold_all(house: House, key: str, number: int, open_connections: AsyncExitStack) -> None:
    """Hold so many connections with requests that wait for the engine."""
    for _ in range(number):
        client = await open_connections.enter_async_context(plain_client(house.url, timeout=60))
        body = {"messages": [{"role": "user", "content": "hello"}]}
        task = asyncio.create_task(client.post("/v1/chat/completions", headers=bearer(key), json=body))
        open_connections.push_async_callback(asyncio.wait, {task})
        open_connections.callback(task.cancel)
    await until(lambda: house.runtime.traffic.in_flight == number)


async def test_a_key_is_revoked_while_its_requests_hold_every_place(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, connection_limit=16) as house, AsyncExitStack() as held:
        await house.publish("healthcare/triage", FREE_TEXT)
        key = await house.tenant("clinic", "healthcare")
        (row,) = (await house.admin("GET", "/api/v1/keys", params={"owner": "clinic"})).json()["data"]
        await house.client.aclose()
        house.engine.gate.clear()
        held.callback(house.engine.gate.set)
        await hold_all(house, key, 14, held)
        async with plain_client(house.url, timeout=10) as client:
            assert (await client.get("/health/ready")).status_code == 200
            full = await client.get("/v1/models", headers=bearer(key))
            assert (full.status_code, full.json()["error"]["code"]) == (503, "too_many_connections")
            gone = await client.delete(f"/api/v1/keys/{row['id']}", headers=bearer(house.admin_key))
            assert gone.is_success, gone.text
        house.engine.gate.set()
