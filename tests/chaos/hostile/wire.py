"""Attacks on connections: many, slow, half, and in two ways to be read; and on what is not a tenant's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

import aiohttp

from tests.chaos.hostile.attacker import Attack, Attacker

_BODY = b'{"model": "base", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}'
_JSON = "Content-Type: application/json"
_LENGTH = f"Content-Length: {len(_BODY)}"
_HOLD_SECONDS = 3.0
# Requests that could be read in two ways, by their header lines.
_TWO_WAYS: Mapping[str, tuple[str, ...]] = {
    "two lengths": (_LENGTH, "Content-Length: 5"),
    "a length beside chunks": (_LENGTH, "Transfer-Encoding: chunked"),
    "chunks under another name": ("Transfer-Encoding: xchunked",),
    "chunks twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "a folded header": (_LENGTH, "X-A: b\r\n c"),
    "a space before the colon": (f"Content-Length : {len(_BODY)}",),
    "a length with a sign": (f"Content-Length: +{len(_BODY)}",),
    "two hosts": (_LENGTH, "Host: other.example"),
    "an upgrade": (_LENGTH, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"),
}
_NOT_OURS = (
    "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/../metrics", "/v1/%2e%2e/metrics", "/tokenize",
    "/collective_rpc", "/v1/reviews/../../api/v1/tenants", "/api/v1/tenants", "/api/v1/keys", "/api/v1/reviews",
    "/api/v1/events", "/sleep",
)  # fmt: skip


async def _two_ways(lines: tuple[str, ...], attacker: Attacker) -> int:
    return await attacker.raw(attacker.head("/v1/chat/completions", _JSON, *lines) + _BODY)


async def _old_chunks(attacker: Attacker) -> int:
    head = attacker.head("/v1/chat/completions", _JSON, "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0")
    return await attacker.raw(head + b"0\r\n\r\n")


async def _no_host(attacker: Attacker) -> int:
    host = f"Host: {urlsplit(attacker.url).netloc}\r\n".encode()
    return await attacker.raw(attacker.head("/v1/models", method="GET").replace(host, b""))


async def _large_head(attacker: Attacker) -> int:
    return await attacker.raw(attacker.head("/v1/models", "X-A: " + "a" * 1_000_000, method="GET"))


async def _trickle(writer: asyncio.StreamWriter) -> None:
    """A byte now and then for a few seconds."""
    for _ in range(int(_HOLD_SECONDS / 0.5)):
        await asyncio.sleep(0.5)
        writer.write(b" ")
        await writer.drain()


async def _slow_heads(attacker: Attacker) -> int:
    begun = attacker.head("/v1/models", method="GET")[:-4]
    return max(await asyncio.gather(*(attacker.raw(begun + b"\r\nX-B: ", then=_trickle) for _ in range(50))))


async def _slow_bodies(attacker: Attacker) -> int:
    head = attacker.head("/v1/chat/completions", _JSON, "Content-Length: 1000000")
    return max(await asyncio.gather(*(attacker.raw(head, then=_trickle) for _ in range(50))))


async def _idle(attacker: Attacker) -> int:
    """Four hundred connections that say nothing for a while."""
    parts = urlsplit(attacker.url)
    opened: list[asyncio.StreamWriter] = []
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                opened.append(writer)
        await asyncio.sleep(_HOLD_SECONDS)
    finally:
        for writer in opened:
            writer.close()
    return 0


async def _leaves(attacker: Attacker) -> int:
    """Twenty streams whose client goes after the first bytes."""
    body = {"model": "base", "messages": [{"role": "user", "content": "count"}], "stream": True, "max_tokens": 200}
    headers = {"Authorization": f"Bearer {attacker.tenant_key}"}

    async def one() -> int:
        try:
            async with (
                asyncio.timeout(10),
                attacker.session.post(f"{attacker.url}/v1/chat/completions", json=body, headers=headers) as response,
            ):
                await response.content.readany()
                response.close()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    return max(await asyncio.gather(*(one() for _ in range(20))))


async def _does_not_read(attacker: Attacker) -> int:
    """Streams that nobody reads."""
    body = b'{"model": "base", "messages": [{"role": "user", "content": "count"}], "stream": true, "max_tokens": 400}'
    head = attacker.head("/v1/chat/completions", _JSON, f"Content-Length: {len(body)}")

    async def hold(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(_HOLD_SECONDS)

    return max(await asyncio.gather(*(attacker.raw(head + body, then=hold) for _ in range(8))))


async def _waits(attacker: Attacker) -> int:
    """Eighty long waits for reviews that may be there."""

    async def one(number: int) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HOLD_SECONDS):
                return await attacker.get(f"/v1/reviews/{number:032x}?wait=60")
        return 0

    return max(await asyncio.gather(*(one(number) for number in range(80))))


async def _wrong_keys(attacker: Attacker) -> int:
    seen = []
    for number in range(50):
        headers = {"Authorization": f"Bearer postil_{number:012x}_{'a' * 43}"}
        seen.append(await attacker.request("GET", "/v1/models", headers))
    return max(seen)


async def _not_a_tenants(attacker: Attacker) -> int:
    return max([await attacker.get(path) for path in _NOT_OURS])


async def _other_names(attacker: Attacker) -> int:
    """Releases by number, of domains that are not this tenant's, that were never there."""
    names = (
        "malice/evil",
        "legal/clause@1",
        "legal/clause@999",
        "secret/thing",
        "healthcare/triage@1",
        "../etc",
        "a" * 9999,
    )
    return max([await attacker.chat(model=name) for name in names])


async def _many_at_once(attacker: Attacker) -> int:
    """Forty answers asked for at once: more than anybody gets."""
    return max(await asyncio.gather(*(attacker.chat(f"count to {number}", max_tokens=16) for number in range(40))))


async def _pipelined(attacker: Attacker) -> int:
    one = attacker.head("/v1/chat/completions", _JSON, _LENGTH) + _BODY
    return await attacker.raw(one * 50)


ATTACKS = [
    *(Attack(f"HTTP with {name}", 28, partial(_two_ways, lines)) for name, lines in _TWO_WAYS.items()),
    Attack("chunks in HTTP/1.0", 28, _old_chunks),
    Attack("no host", 28, _no_host),
    Attack("a head of a megabyte", 0, _large_head),
    Attack("50 heads that trickle", 10, _slow_heads),
    Attack("50 bodies that trickle", 10, _slow_bodies),
    Attack("400 idle connections", 10, _idle),
    Attack("20 clients that leave", 0, _leaves),
    Attack("8 streams that nobody reads", 27, _does_not_read),
    Attack("80 waits for reviews", 10, _waits),
    Attack("50 wrong keys", 24, _wrong_keys),
    Attack("routes of others", 12, _not_a_tenants),
    Attack("releases of others", 12, _other_names),
    Attack("40 requests at once", 2, _many_at_once),
    Attack("50 requests in one write", 0, _pipelined),
]
