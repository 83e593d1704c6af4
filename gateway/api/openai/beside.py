"""``/v1/embeddings``, ``/tokenize`` and ``/detokenize``: what the engine answers at once, as raw ASGI."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.handlers import asgi
from litestar.handlers.asgi_handlers import ASGIRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.denied import authorization, identify
from postil.gateway.api.media_types import only_post
from postil.gateway.api.openai.completions import CompletionParts, Wire, read_body, until_gone
from postil.gateway.errors import EngineRefusedError, GatewayError
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.deadline import deadline_of
from postil.gateway.inference.embeddings import embed, no_embeddings
from postil.gateway.inference.engine_refusal import told
from postil.gateway.inference.fields.beside import DETOKENIZE, EMBEDDINGS, TOKENIZE
from postil.gateway.inference.formats import COUNT
from postil.gateway.inference.pipeline import JSON, PipelineResponse
from postil.gateway.inference.tokens import Tokenizer
from postil.gateway.tenancy.directory import Caller

log = logging.getLogger(__name__)
_PLAIN: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request whose key is known and admitted."""

    caller: Caller
    body: bytes
    limits: CostLimits
    scope: Scope


Answer = Callable[[Asked], Awaitable[PipelineResponse]]


def routes_beside(parts: CompletionParts, *, embeds: bool) -> list[ASGIRouteHandler]:
    """Return the routes. ``embeds`` says whether the engine may serve embeddings: one that generates does not."""
    tokenizer = Tokenizer(parts.context)

    async def tokenize(asked: Asked) -> PipelineResponse:
        return PipelineResponse(_PLAIN, JSON, await tokenizer.tokenize(asked.caller, asked.body, asked.limits))

    async def detokenize(asked: Asked) -> PipelineResponse:
        return PipelineResponse(_PLAIN, JSON, await tokenizer.detokenize(asked.caller, asked.body, asked.limits))

    async def embedded(asked: Asked) -> PipelineResponse:
        if not embeds:
            raise no_embeddings()
        deadline = deadline_of(asked.scope["headers"])
        made = await embed(parts.context, asked.caller, asked.body, asked.limits, deadline)
        return PipelineResponse({"x-postil-release": made.model}, JSON, made.body)

    async def counted(asked: Asked) -> PipelineResponse:
        counted = await tokenizer.count(asked.caller, asked.body, asked.limits)
        return PipelineResponse(_PLAIN, JSON, msgspec.json.encode({"input_tokens": counted}))

    # OpenAI's clients, whose address ends in /v1, ask for tokens there.
    return [
        *_routes(parts, [TOKENIZE.path, f"/v1{TOKENIZE.path}"], "prompt", tokenize),
        *_routes(parts, [DETOKENIZE.path, f"/v1{DETOKENIZE.path}"], "tokens", detokenize),
        *_routes(parts, [EMBEDDINGS.path], "input", embedded),
        *_routes(parts, [COUNT.path], "messages", counted),
    ]


def _routes(parts: CompletionParts, paths: list[str], prompt: str, answer: Answer) -> list[ASGIRouteHandler]:
    return [asgi(path, copy_scope=False)(_handler(parts, path, prompt, answer)) for path in paths]


def _handler(parts: CompletionParts, path: str, prompt: str, answer: Answer) -> ASGIApp:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        wire = Wire(send)
        wire.path = path
        if scope.get("method") != "POST":
            await wire.error(only_post(path), status=405)
            return
        parts.traffic.in_flight += 1
        try:
            await _respond(parts, answer, path, scope, receive, wire)
        except GatewayError as error:
            await wire.error(error)
        except EngineRefusedError as error:
            await wire.error(told(error, prompt))
        except Exception:
            log.exception("a request failed")
            await wire.error(GatewayError("the gateway failed on this request; its log says why"))
        finally:
            parts.traffic.in_flight -= 1

    return handler


async def _respond(
    parts: CompletionParts, answer: Answer, path: str, scope: Scope, receive: Receive, wire: Wire
) -> None:
    caller = identify(parts.callers, parts.denied, authorization(scope), scope, f"POST {path}")
    wire.headers = await parts.limits.admit(caller.limits)

    async def work() -> None:
        body = await read_body(receive, parts.body_limit)
        await until_gone(send(Asked(caller, body, parts.cost.of(caller.limits), scope)), receive)

    async def send(asked: Asked) -> None:
        await wire.answer(await answer(asked))

    try:
        await work()
    finally:
        parts.limits.left(caller.limits)


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
