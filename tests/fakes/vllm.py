"""A small server that speaks vLLM's HTTP API: it stands in for the engine behind the gateway's real client.

What it answers is decided by ``reply``; what was asked of it is in ``requests``. It holds no model and claims none:
the tests under ``tests/engine`` run the real one.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from postil.gateway.inference.policy_trial import ASKED_BY
from tests.fakes.http import Receive, Scope, Send, read_body, respond, serving
from tests.fakes.vllm_fields import refusal_of
from tests.fakes.vllm_grammars import refused_constraint, refused_tools

Json = dict[str, Any]
_VOCABULARY = 49_152


@dataclass
class Reply:
    """What a choice says: its text, and the probability (per token) that the engine reports for it."""

    text: str = '{"category": "symptoms"}'
    logprob: float = -0.01
    finish_reason: str = "stop"
    tokens: list[str] | None = None
    # More of a whole answer's message: reasoning, tool calls.
    beside: Json = field(default_factory=dict)
    # What of the request's stops ended a whole answer; and the engine's status, where it fails.
    stop_reason: str | int | None = None
    status: int = 200

    def pieces(self) -> list[str]:
        """The tokens of the text; words and single signs unless given."""
        return self.tokens if self.tokens is not None else re.findall(r"\w+|\W", self.text)


@dataclass
class FakeVLLM:
    """The state of the engine, and its ASGI application.

    ``raw`` writes a stream's body itself, piece by piece; after an empty piece it waits until the client has left.
    ``gate`` holds answers back until it is set, those to requests that ``held`` says; ``load_gate`` holds loads back,
    ``stream_gate`` a stream's events behind its head. ``named`` are the ids under which completions were asked for,
    and ``parents`` the spans.
    ``refuses`` says why it takes no such request; ``refuse_load`` is what it says to loads, to those that ``refused``
    says. ``template`` makes the tokens of a chat; without one it has no ``/tokenize``. ``counts`` is what
    ``/metrics`` says, once each. ``odd`` is the body of every answer to a completion, with a status of 200, whatever
    was asked. ``embeds``: it is an engine for embeddings. ``beside`` are the paths that were asked for beside those of
    completions and what it says of itself. Where the gateway tries a policy by itself, that is in ``trials``, is held
    back where ``holds_trial`` says so, and gets a plain answer. With an ``api_key`` it refuses each request under
    ``guarded`` (vLLM: ``/v1``) that does not bring it.
    Without a ``tool_parser`` it calls no tools. While the file ``sick_while`` exists it behaves as vLLM does that has
    lost its core.
    """

    reply: Callable[[Json], Reply] = lambda body: Reply()
    adapters: dict[str, str] = field(default_factory=dict)
    requests: list[Json] = field(default_factory=list)
    trials: list[Json] = field(default_factory=list)
    refuses: Callable[[Json], str | None] = lambda body: None
    refuse_load: str | None = None
    refused: Callable[[Json], bool] = lambda body: True
    loads: int = 0
    unloaded: list[str] = field(default_factory=list)
    break_off_after: int | None = None
    raw: Callable[[Json], Iterable[bytes]] | None = None
    healthy: bool = True
    sick_while: Path | None = None
    counts: list[bytes] = field(default_factory=list)
    template: Callable[[Json], list[int]] | None = None
    cancelled: int = 0
    asked: int = 0
    pace_seconds: float = 0.0
    odd: bytes | None = None
    api_key: str | None = None
    guarded: str = "/"
    tool_parser: bool = True
    forgets: bool = False
    embeds: bool = False
    tokenized: list[Json] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    version: str = "0.32.0+cpu.g1234567"
    max_model_len: int = 2048
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: Callable[[Json], bool] = lambda body: True
    holds_trial: Callable[[Json], bool] = lambda body: False
    load_gate: asyncio.Event = field(default_factory=asyncio.Event)
    stream_gate: asyncio.Event = field(default_factory=asyncio.Event)
    named: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()
        self.stream_gate.set()
        self.load_gate.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        path = scope["path"]
        self.asked += 1
        if not self._knows(scope):
            await respond(send, 401, b'{"error":"Unauthorized"}')
            return
        if self.sick_while is not None and self.sick_while.exists():
            await respond(send, 503 if path == "/health" else 500, _error("EngineCore encountered an issue."))
            return
        if path in ("/health", "/v1/models", "/metrics", "/version"):
            await respond(send, *self._told(path))
        elif path == "/v1/load_lora_adapter":
            await self._load(json.loads(await read_body(receive)), send)
        elif path == "/v1/unload_lora_adapter":
            await self._unload(json.loads(await read_body(receive)), send)
        elif path.endswith("/completions"):
            head = dict(scope["headers"])
            self.named.append(head.get(b"x-request-id", b"").decode())
            self.parents.append(head.get(b"traceparent", b"").decode())
            await self._generate(path, json.loads(await read_body(receive)), receive, send)
        else:
            await self._beside(path, json.loads(await read_body(receive) or b"{}"), receive, send)

    async def _beside(self, path: str, body: Json, receive: Receive, send: Send) -> None:
        self.beside.append(path)
        if path == "/tokenize" and self.template is not None:
            self.tokenized.append(body)
            await self._held_back(receive)
            tokens = list(range(len(body["prompt"]) // 4)) if "prompt" in body else self.template(body)
            answer = {"count": len(tokens), "max_model_len": self.max_model_len, "tokens": tokens, "token_strs": None}
            await respond(send, 200, json.dumps(answer).encode())
        elif path == "/detokenize" and self.template is not None:
            await respond(send, *_detokenized(body))
        elif path == "/v1/embeddings" and self.embeds:
            await self._embed(body, receive, send)
        else:
            await respond(send, 404, _error("Not Found"))

    def _knows(self, scope: Scope) -> bool:
        """Whether a request may come in."""
        if self.api_key is None or not scope["path"].startswith(self.guarded):
            return True
        return dict(scope["headers"]).get(b"authorization") == f"Bearer {self.api_key}".encode()

    def _told(self, path: str) -> tuple[int, bytes]:
        """What it says of itself."""
        if path == "/health":
            return 200 if self.healthy else 503, b""
        if path == "/metrics":
            return (200, self.counts.pop(0)) if self.counts else (404, _error("Not Found"))
        if path == "/version":
            return (
                (404, _error("Not Found"))
                if self.version is None
                else (200, json.dumps({"version": self.version}).encode())
            )
        models = [{"id": name, "max_model_len": self.max_model_len} for name in ["base", *self.adapters]]
        return 200, json.dumps({"object": "list", "data": models}).encode()

    async def _load(self, body: Json, send: Send) -> None:
        self.loads += 1
        await self.load_gate.wait()
        if self.refuse_load and self.refused(body):
            await respond(send, 500, _error(self.refuse_load))
        elif body["lora_name"] in self.adapters:
            await respond(send, 400, _error("The lora adapter has already been loaded."))
        else:
            self.adapters[body["lora_name"]] = body["lora_path"]
            await respond(send, 200, b"Success")

    async def _unload(self, body: Json, send: Send) -> None:
        if self.adapters.pop(body["lora_name"], None) is None:
            await respond(send, 404, _error(f"The lora adapter '{body['lora_name']}' cannot be found."))
            return
        self.unloaded.append(body["lora_name"])
        await respond(send, 200, b"Success")

    async def _embed(self, body: Json, receive: Receive, send: Send) -> None:
        if body["model"] != "base" and body["model"] not in self.adapters:
            await respond(send, 404, _error(f"The model `{body['model']}` does not exist."))
            return
        if refusal := self.refuses(body):
            await respond(send, 400, _error(refusal))
            return
        self.requests.append(body)
        await self._held_back(receive)
        given = body["input"] if isinstance(body["input"], list) else [body["input"]]
        texts = [given] if isinstance(given[0], int) else given
        data = [{"object": "embedding", "index": index, "embedding": [0.5, -0.5]} for index in range(len(texts))]
        usage = {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts), "completion_tokens": 0}
        answer = {"id": "1", "object": "list", "created": 1, "model": body["model"], "data": data, "usage": usage}
        await respond(send, 200, json.dumps(answer).encode())

    async def _generate(self, path: str, body: Json, receive: Receive, send: Send) -> None:
        if self.forgets:
            self.adapters.clear()
        if body["model"] != "base" and body["model"] not in self.adapters:
            await respond(send, 404, _error(f"The model `{body['model']}` does not exist."))
            return
        refusal = refused_constraint(body) or refused_tools(body, parsed=self.tool_parser) or self.refuses(body)
        status, message = (
            (400, refusal) if refusal else refusal_of(body, chat=path.endswith("chat/completions")) or (0, "")
        )
        if status:
            await respond(send, status, _error(message))
            return
        trial = body.get("user") == ASKED_BY
        (self.trials if trial else self.requests).append(body)
        if trial:
            if self.holds_trial(body):
                await self._held_back(receive)
            await respond(send, 200, json.dumps(_whole(body, Reply(), True)).encode())
            return
        if self.held(body):
            await self._held_back(receive)
        await self._answer(path, body, receive, send)

    async def _answer(self, path: str, body: Json, receive: Receive, send: Send) -> None:
        if self.odd is not None:
            await respond(send, 200, self.odd)
            return
        reply = _cut(body, _going_on(body, self.reply(body)))
        if reply.status != 200:
            await respond(send, reply.status, _error("an overflow"))
            return
        chat = path.endswith("chat/completions")
        if body.get("stream"):
            if self.raw is not None:
                await self._stream_raw(self.raw(body), receive, send)
            else:
                await self._stream(body, reply, chat, send)
        else:
            await respond(send, 200, json.dumps(_whole(body, reply, chat)).encode())

    async def _held_back(self, receive: Receive) -> None:
        """Wait at the gate; a client that leaves meanwhile cancels its request, as in the real engine."""
        if self.gate.is_set():
            return
        gone, opened = asyncio.ensure_future(receive()), asyncio.ensure_future(self.gate.wait())
        await asyncio.wait({gone, opened}, return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, opened):
            task.cancel()
        if not self.gate.is_set():
            self.cancelled += 1
            raise ConnectionError("the client left")

    async def _stream(self, body: Json, reply: Reply, chat: bool, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.stream_gate.wait()
        options = body.get("stream_options") or {}
        total = bool(options.get("include_usage"))
        each = total and bool(options.get("continuous_usage_stats"))
        for index, piece in enumerate(reply.pieces()):
            if self.break_off_after is not None and index >= self.break_off_after:
                raise ConnectionError("the engine dies here")
            if self.pace_seconds:
                await asyncio.sleep(self.pace_seconds)
            part = {"delta": {"content": piece}} if chat else {"text": piece}
            choices = [{"index": 0, **part, "finish_reason": None}]
            chunk = {"id": "1", "model": body["model"], "choices": choices, **(_usage(index + 1) if each else {})}
            await send({"type": "http.response.body", "body": _event(chunk), "more_body": True})
        if total:
            last = {"id": "1", "model": body["model"], "choices": [], **_usage(len(reply.pieces()))}
            await send({"type": "http.response.body", "body": _event(last), "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    async def _stream_raw(self, pieces: Iterable[bytes], receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            else:
                while (await receive())["type"] != "http.disconnect":
                    pass
                self.cancelled += 1
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _detokenized(body: Json) -> tuple[int, bytes]:
    """Tokens as text, each by its number; vLLM's own count ends at its vocabulary."""
    if any(token >= _VOCABULARY for token in body["tokens"]):
        return 400, _error(f"Token id {max(body['tokens'])} is out of vocabulary")
    return 200, json.dumps({"prompt": " ".join(map(str, body["tokens"]))}).encode()


def _going_on(body: Json, reply: Reply) -> Reply:
    """A model that is to go on with an answer says the rest of it."""
    begun = body["messages"][-1]["content"] if body.get("continue_final_message") else ""
    return replace(reply, text=reply.text.removeprefix(begun)) if begun else reply


def _cut(body: Json, reply: Reply) -> Reply:
    """It ends where it may say no more tokens."""
    pieces, most = reply.pieces(), body.get("max_completion_tokens") or body.get("max_tokens") or math.inf
    if len(pieces) <= most:
        return reply
    kept = pieces[: int(most)]
    return replace(reply, text="".join(kept), tokens=kept, finish_reason="length")


def _whole(body: Json, reply: Reply, chat: bool) -> Json:
    choices = [_choice(index, body, reply, chat) for index in range(body.get("n") or 1)]
    head = {"id": "1", "object": "chat.completion" if chat else "text_completion", "created": 1, "model": body["model"]}
    return {**head, "choices": choices, **_usage(len(reply.pieces()))}


def _usage(completion: int) -> Json:
    return {"usage": {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 3 + completion}}


def _choice(index: int, body: Json, reply: Reply, chat: bool) -> Json:
    tokens = reply.pieces()
    if chat:
        content = [{"token": token, "logprob": reply.logprob, "bytes": [], "top_logprobs": []} for token in tokens]
        logprobs: Json | None = {"content": content} if body.get("logprobs") else None
        said: Json = {"message": {"role": "assistant", "content": reply.text, **reply.beside}}
    else:
        wanted = body.get("logprobs") is not None
        logprobs = {"tokens": tokens, "token_logprobs": [reply.logprob] * len(tokens)} if wanted else None
        said = {"text": reply.text}
    ends = {"finish_reason": reply.finish_reason, "stop_reason": reply.stop_reason}
    return {"index": index, **said, "logprobs": logprobs, **ends}


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400}}).encode()


def _event(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


@asynccontextmanager
async def running_engine() -> AsyncIterator[tuple[FakeVLLM, str]]:
    """A fake engine and its address."""
    engine = FakeVLLM()
    async with serving(engine) as url:
        yield engine, url
