"""The way of one completion. The only place that knows the order of things.

Name the release, put its policy in force, have its weights ready, ask the engine, judge, fall back, answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from postil.gateway import answers, payload, stream
from postil.gateway.catalog import BASE, Catalog, Servable
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.residency import LoadError, Residency
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError
from postil.gateway.judge import judge
from postil.gateway.payload import Ask
from postil.gateway.tenants import Caller
from postil.plugins import Exchange

JSON = "application/json"
EVENTS = "text/event-stream"


class Running(Protocol):
    """What the pipeline needs of the gateway around it; each is read once per request."""

    @property
    def catalog(self) -> Catalog:
        """What can be asked for."""

    def engine(self) -> tuple[EngineClient, Residency]:
        """The engine. Raises EngineUnavailableError while it is not ready."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out: ``body`` whole, or, for a stream, chunk by chunk."""

    headers: Mapping[str, str]
    content_type: str
    body: bytes | AsyncIterator[bytes]


async def complete(running: Running, caller: Caller, ask: Ask, open_streams: AsyncExitStack) -> Answer:
    """Answer one completion. A stream stays open until ``open_streams`` is closed.

    Raises GatewayError, or EngineRefusedError with what the engine said.
    """
    release = running.catalog.resolve(ask.model, caller)
    client, residency = running.engine()
    if release is None:
        request = payload.for_base(ask, caller.name)
        return await _pass_on(client, ask, request, BASE, BASE, open_streams)
    request = payload.for_release(ask, release, caller.name)
    await _resident(residency, release)
    try:
        return await _answer(client, caller, ask, release, request, open_streams)
    except EngineRefusedError as error:
        if error.status != 404 or release.engine_name.encode() not in error.body:
            raise _renamed(error, release) from error
    # The engine has lost it since (it was restarted, or somebody unloaded it): nothing was answered yet.
    residency.forget(release.engine_name)
    await _resident(residency, release)
    return await _answer(client, caller, ask, release, request, open_streams)


async def _answer(
    client: EngineClient,
    caller: Caller,
    ask: Ask,
    release: Servable,
    request: Mapping[str, Any],
    open_streams: AsyncExitStack,
) -> Answer:
    if not release.validators:
        return await _pass_on(client, ask, request, release.engine_name, release.ref.name, open_streams, release)
    answer = msgspec.json.decode(await client.post(ask.kind.value, request))
    answer["model"] = release.ref.name
    headers = {"x-postil-release": str(release.ref), **_validate(answer, caller, ask, release)}
    if ask.stream:
        return Answer(headers, EVENTS, answers.as_events(answer, ask))
    return Answer(headers, JSON, answers.as_json(answer))


def _validate(answer: dict[str, Any], caller: Caller, ask: Ask, release: Servable) -> dict[str, str]:
    """Judge every choice in place; returns the header that says where a fallback was served, and why."""
    exchange = Exchange(release.ref, caller.name, ask.body)
    reasons: dict[str, None] = {}
    for choice in answer["choices"]:
        judgement = judge(release, exchange, answers.completion(choice, ask.kind))
        if judgement.fallback is not None:
            answers.substitute(choice, judgement.fallback, ask.kind)
            reasons[judgement.reason] = None
        elif release.needs_tokens and ask.body.get("logprobs") in (None, False):
            answers.drop_tokens(choice)
    return {"x-postil-fallback": _header("; ".join(reasons))} if reasons else {}


async def _pass_on(
    client: EngineClient,
    ask: Ask,
    request: Mapping[str, Any],
    inside: str,
    outside: str,
    open_streams: AsyncExitStack,
    release: Servable | None = None,
) -> Answer:
    """Nobody looks at the text, so nobody parses it: only the name is put right."""
    headers = {"x-postil-release": str(release.ref) if release else BASE}
    if not ask.stream:
        body = await client.post(ask.kind.value, request)
        return Answer(headers, JSON, _rename(body, inside, outside))
    chunks = await open_streams.enter_async_context(client.stream(ask.kind.value, request))
    if inside != outside:
        chunks = stream.renamed(chunks, inside, outside)
    return Answer(headers, EVENTS, stream.ended_cleanly(chunks))


async def _resident(residency: Residency, release: Servable) -> None:
    try:
        await residency.ensure(release.engine_name, release.artifact)
    except LoadError as error:
        raise EngineUnavailableError(f"{release.ref} cannot be loaded now") from error


def _rename(body: bytes, inside: str, outside: str) -> bytes:
    return body if inside == outside else body.replace(inside.encode(), outside.encode())


def _renamed(error: EngineRefusedError, release: Servable) -> EngineRefusedError:
    return EngineRefusedError(error.status, _rename(error.body, release.engine_name, release.ref.name))


def _header(text: str) -> str:
    """A header's value: one line of printable ASCII, of a length that proxies take."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:500]
