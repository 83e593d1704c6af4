"""``/v1/embeddings``, ``/tokenize`` and ``/detokenize``: what the engine answers at once, as raw ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from litestar.handlers.asgi_handlers import ASGIRouteHandler
from litestar.types import Send

from postil.gateway.api.openai.completions import (
    Asked,
    CompletionParts,
    Wire,
    handler_of,
    read_body,
    routes_of,
)
from postil.gateway.api.presence import until_gone
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.deadline import deadline_of
from postil.gateway.inference.embeddings import embed, no_embeddings
from postil.gateway.inference.fields.beside import DETOKENIZE, EMBEDDINGS, TOKENIZE
from postil.gateway.inference.formats import COUNT
from postil.gateway.inference.pipeline import JSON, PipelineResponse
from postil.gateway.inference.tokens import Tokenizer

_PLAIN: Mapping[str, str] = {}


class BesideWire(Wire):
    """Answers at a path whose prompt comes in a field of its own."""

    def __init__(self, path: str, prompt: str, send: Send, comment_seconds: float) -> None:
        super().__init__(send, comment_seconds)
        self.path, self.prompt = path, prompt


# What is made of a request's body, within what one request of this caller may cost.
Answer = Callable[[Asked[BesideWire], bytes, CostLimits], Awaitable[PipelineResponse]]


def routes_beside(parts: CompletionParts, *, embeds: bool) -> list[ASGIRouteHandler]:
    """Return the routes. ``embeds`` says whether the engine may serve embeddings: one that generates does not."""
    tokenizer = Tokenizer(parts.context)

    async def tokenize(asked: Asked[BesideWire], body: bytes, limits: CostLimits) -> PipelineResponse:
        return PipelineResponse(_PLAIN, JSON, await tokenizer.tokenize(asked.caller, body, limits))

    async def detokenize(asked: Asked[BesideWire], body: bytes, limits: CostLimits) -> PipelineResponse:
        return PipelineResponse(_PLAIN, JSON, await tokenizer.detokenize(asked.caller, body, limits))

    async def counted(asked: Asked[BesideWire], body: bytes, limits: CostLimits) -> PipelineResponse:
        counted = await tokenizer.count(asked.caller, body, limits)
        return PipelineResponse(_PLAIN, JSON, msgspec.json.encode({"input_tokens": counted}))

    # OpenAI's clients, whose address ends in /v1, ask for tokens there.
    return [
        *_routes(parts, [TOKENIZE.path, f"/v1{TOKENIZE.path}"], "prompt", tokenize),
        *_routes(parts, [DETOKENIZE.path, f"/v1{DETOKENIZE.path}"], "tokens", detokenize),
        *_routes(parts, [EMBEDDINGS.path], "input", _embedded if embeds else _refuse_embeddings),
        *_routes(parts, [COUNT.path], "messages", counted),
    ]


def _routes(parts: CompletionParts, paths: list[str], prompt: str, answer: Answer) -> list[ASGIRouteHandler]:
    answering = partial(_answer, answer)
    return routes_of({path: handler_of(parts, path, partial(BesideWire, path, prompt), answering) for path in paths})


async def _answer(answer: Answer, asked: Asked[BesideWire]) -> None:
    body, limits = await read_body(asked.receive, asked.parts.body_limit), asked.parts.cost.of(asked.caller.limits)
    await until_gone(_send(asked.wire, answer(asked, body, limits)), asked.scope)


async def _send(wire: Wire, answer: Awaitable[PipelineResponse]) -> None:
    await wire.answer(await answer)


async def _embedded(asked: Asked[BesideWire], body: bytes, limits: CostLimits) -> PipelineResponse:
    made = await embed(asked.parts.context, asked.caller, body, limits, deadline_of(asked.scope["headers"]))
    return PipelineResponse({"x-postil-release": made.model}, JSON, made.body)


async def _refuse_embeddings(asked: Asked[BesideWire], body: bytes, limits: CostLimits) -> PipelineResponse:
    raise no_embeddings()


def document_beside() -> dict[str, Any]:
    """Describe the routes for the OpenAPI document, which does not see raw ones."""
    tokens = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}}
    model = {"type": ["string", "null"], "maxLength": 512, "description": "A domain, an adapter, a release, or base"}
    texts = {"type": ["string", "array"], "description": "A text, token ids, or a list of either"}
    counted: dict[str, Any] = {
        "count": {"type": "integer"},
        "max_model_len": {"type": "integer"},
        "tokens": tokens,
        "token_strs": {"type": ["array", "null"], "items": {"type": "string"}},
    }
    told_text: dict[str, Any] = {"prompt": {"type": "string"}}
    embedded: dict[str, Any] = {"object": {"type": "string"}, "data": {"type": "array"}, "usage": {"type": "object"}}
    prompt = {
        "prompt": {"type": ["string", "null"]},
        "messages": {"type": ["array", "null"], "maxItems": 2048, "items": {"type": "object"}},
    }
    described: dict[str, tuple[str, dict[str, Any], list[str], dict[str, Any]]] = {
        TOKENIZE.path: ("Show the tokens of a text or chat", {"model": model, **prompt}, [], counted),
        DETOKENIZE.path: ("Show the text of tokens", {"model": model, "tokens": tokens}, ["tokens"], told_text),
    }
    described |= {f"/v1{path}": one for path, one in described.items()}
    described[EMBEDDINGS.path] = (
        "Embed texts, where the engine serves embeddings",
        {"model": model, "input": texts},
        ["input"],
        embedded,
    )
    return {path: {"post": _operation(path, *one)} for path, one in described.items()}


def _operation(
    path: str, summary: str, fields: Mapping[str, Any], required: list[str], answer: Mapping[str, Any]
) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIErrorBody"}}}
    schema = {"type": "object", "required": required, "properties": fields, "additionalProperties": True}
    good = {"application/json": {"schema": {"type": "object", "properties": answer}}}
    statuses = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 413: "Too Large"}
    statuses |= {429: "Too Many Requests", 500: "The engine failed", 503: "Service Unavailable", 504: "Timeout"}
    return {
        "summary": summary,
        "operationId": path.strip("/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "The answer", "content": good},
            **{str(status): {"description": said, "content": error} for status, said in statuses.items()},
        },
        "security": [{"key": []}],
    }
