"""An engine that costs next to nothing: ``python -m tests.benchmarks.upstream PORT [PACE]``.

It answers with 64 tokens, whole or streamed at ``PACE`` seconds a token, and reads no more of a request than whether a
stream is wanted, and by which name; so that what is measured in front of it is whatever stands there.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import httptools
import msgspec
import uvloop

TOKENS = 64
WORD = " and"
_LABEL = '{"category": "symptoms"}'


def _whole(model: str, content: str, logprobs: bool) -> bytes:
    tokens = [
        {"token": part, "logprob": -0.01, "bytes": list(part.encode()), "top_logprobs": []}
        for part in ('{"', "category", '":', ' "', "symptoms", '"}')
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": "stop",
        "logprobs": {"content": tokens} if logprobs else None,
    }
    usage = {"prompt_tokens": 20, "completion_tokens": TOKENS, "total_tokens": 20 + TOKENS}
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": usage,
    }
    return msgspec.json.encode(answer)


def _event(model: str, delta: dict[str, Any], finish: str | None = None, usage: bool = False) -> bytes:
    chunk: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    if usage:
        chunk["usage"] = {"prompt_tokens": 20, "completion_tokens": TOKENS, "total_tokens": 20 + TOKENS}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _counts(model: str) -> bytes:
    """The event after the last, for those who asked for the count of tokens."""
    usage = {"prompt_tokens": 20, "completion_tokens": TOKENS, "total_tokens": 20 + TOKENS}
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [],
        "usage": usage,
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if not self._url.endswith(b"/completions"):
            self._reply(b'{"object": "list", "data": []}')
            return
        asked = msgspec.json.decode(self._body)
        if asked.get("stream"):
            asyncio.get_running_loop().create_task(self._stream(asked))
        else:
            constrained = "structured_outputs" in asked
            content = _LABEL if constrained else WORD * TOKENS
            self._reply(_whole(asked["model"], content, bool(asked.get("logprobs"))))

    def _reply(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    async def _stream(self, asked: dict[str, Any]) -> None:
        model, options = asked["model"], asked.get("stream_options") or {}
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._chunk(_event(model, {"role": "assistant", "content": ""}))
        word = _event(model, {"content": WORD}, usage=bool(options.get("continuous_usage_stats")))
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(TOKENS):
            due += self._pace
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self._transport.is_closing():
                return
            self._chunk(word)
        self._chunk(_event(model, {}, "stop"))
        if options.get("include_usage"):
            self._chunk(_counts(model))
        self._chunk(b"data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")

    def _chunk(self, event: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))


async def serve(port: int, pace: float) -> None:
    """Serve until cancelled."""
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(pace), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
