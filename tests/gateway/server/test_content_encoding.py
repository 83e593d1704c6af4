"""Bodies that are sent compressed, through a whole gateway and at the socket."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
import zlib
from typing import Any

import httpx
import pytest

from postil.gateway.errors import BadRequestError
from postil.gateway.server.content_encoding import Unpacking
from tests.gateway.conftest import House, bearer

ASKED = json.dumps({"messages": [{"role": "user", "content": "my head hurts"}]}).encode()


def raw_deflate(body: bytes) -> bytes:
    """What some clients send as deflate: the data without zlib's header."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


async def ask(
    house: House, key: str, encoding: str, content: Any, path: str = "/v1/chat/completions"
) -> httpx.Response:
    headers = {**bearer(key), "Content-Type": "application/json", "Content-Encoding": encoding}
    return await house.client.post(path, headers=headers, content=content)


async def test_a_compressed_body_is_read(house: House, clinic: str) -> None:
    for encoding, body in (
        ("gzip", gzip.compress(ASKED)),
        ("x-gzip", gzip.compress(ASKED)),
        ("GZIP", gzip.compress(ASKED[:20]) + gzip.compress(ASKED[20:])),
        ("deflate", zlib.compress(ASKED)),
        ("deflate", raw_deflate(ASKED)),
        ("identity", ASKED),
        ("", ASKED),
    ):
        response = await ask(house, clinic, encoding, body)
        assert response.status_code == 200, (encoding, response.text)
        assert house.engine.requests[-1]["messages"][-1]["content"] == "my head hurts"


async def test_a_compressed_body_is_read_by_the_admin_api_too(house: House) -> None:
    body = gzip.compress(json.dumps({"name": "clinic", "domains": ["healthcare"]}).encode())
    response = await ask(house, house.admin_key, "gzip", body, "/api/v1/tenants")
    assert response.status_code == 201, response.text


async def test_an_encoding_that_is_not_known_is_told_with_those_that_are(house: House, clinic: str) -> None:
    for encoding in ("br", "zstd", "gzip, gzip", "compress", "aes128gcm"):
        response = await ask(house, clinic, encoding, ASKED)
        assert response.status_code == 415, encoding
        assert "gzip" in response.json()["error"]["message"]
        assert response.headers["accept-encoding"] == "gzip, deflate"


async def test_a_broken_compressed_body_is_refused(house: House, clinic: str) -> None:
    whole = gzip.compress(ASKED)
    for body in (b"not gzip", whole[:-9], whole + b"more", whole[:-8] + b"\0" * 8, ASKED):
        response = await ask(house, clinic, "gzip", body)
        assert response.status_code == 400, response.text
        assert "Content-Encoding" in response.json()["error"]["message"]


async def test_what_follows_a_deflated_body_is_no_second_one(house: House, clinic: str) -> None:
    assert (await ask(house, clinic, "deflate", zlib.compress(ASKED) * 2)).status_code == 400


async def test_a_bomb_is_refused_before_it_is_unpacked(house: House, clinic: str) -> None:
    with io.BytesIO() as packed:
        with gzip.GzipFile(fileobj=packed, mode="wb") as file:
            for _ in range(256):
                file.write(b" " * (1 << 20))
        bomb = packed.getvalue()
    assert len(bomb) < 1 << 19
    tracemalloc.start()
    try:
        response = await ask(house, clinic, "gzip", bomb)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code == 413
    assert most < 64 << 20


async def pieces(body: bytes, size: int, *, is_gzip: bool = True) -> bytes:
    """What comes out of a body that arrives in pieces of this size."""
    left = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> Any:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    unpacking, found = Unpacking(receive, gzip=is_gzip), bytearray()
    while (message := await unpacking())["type"] == "http.request":
        found += message["body"]
        assert len(message["body"]) <= 64 << 10
        if not message["more_body"]:
            assert (await unpacking())["type"] == "http.disconnect"
            return bytes(found)
    raise AssertionError("it ended before its end")


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
async def test_however_a_body_arrives_it_is_the_same(size: int) -> None:
    for content in (b"", b"a", b"a" * 200_000, os.urandom(20_000), b"b" * (64 << 10), b"c" * (128 << 10)):
        if size > 1 or len(content) < 1000:
            assert await pieces(gzip.compress(content), size) == content
            assert await pieces(zlib.compress(content), size, is_gzip=False) == content
    assert await pieces(b"", size) == b""


async def test_random_content_passes_though_it_does_not_become_smaller() -> None:
    content = os.urandom(3 << 20)
    assert await pieces(gzip.compress(content, 1), 256 << 10) == content


async def test_a_body_of_many_empty_parts_has_an_end() -> None:
    with pytest.raises(BadRequestError, match="larger than what is in it"):
        await pieces(gzip.compress(b"") * 10_000, 64 << 10)


async def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    assert (await Unpacking(receive, gzip=True)())["type"] == "http.disconnect"
