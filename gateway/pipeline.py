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
from postil.gateway.catalog import BASE, PIN, Catalog, Route, Servable
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.residency import LoadError, Residency
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError, UnvalidatedError
from postil.gateway.judge import judge
from postil.gateway.payload import Ask
from postil.gateway.tenants import Caller
from postil.gateway.trace import Trace
from postil.plugins import Exchange
from postil.registry.channels import CANARY, STABLE

JSON = "application/json"
EVENTS = "text/event-stream"
_RELEASE = "x-postil-release"
# Where an answer does not come from what is live, the client is told why not.
_TOLD = (CANARY, PIN)


class Running(Protocol):
    """What the pipeline needs of the gateway around it; each is read once per request."""

    @property
    def catalog(self) -> Catalog:
        """What can be asked for."""

    def engine(self) -> tuple[EngineClient, Residency]:
        """The engine. Raises EngineUnavailableError while it is not ready."""

    def ended(self, trace: Trace) -> None:
        """A request to a release has been answered, or has failed."""


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
    route = running.catalog.resolve(ask.model, caller, ask.user)
    client, residency = running.engine()
    if route is None:
        return await _pass_on(client, ask, payload.for_base(ask, caller.name), BASE, {_RELEASE: BASE}, open_streams)
    trace = Trace(route, caller, ask, running.ended)
    try:
        return await _routed(client, residency, trace, open_streams)
    except (EngineUnavailableError, EngineRefusedError, UnvalidatedError) as error:
        trace.failed_validation = isinstance(error, UnvalidatedError)
        trace.engine_error = not trace.failed_validation
        if not isinstance(error, EngineRefusedError) or error.status >= 500:  # Less is the request's own fault.
            trace.end()
        raise


async def _routed(
    client: EngineClient, residency: Residency, trace: Trace, open_streams: AsyncExitStack
) -> Answer:
    """Answer by the release that the route names; by the stable one if a canary cannot even be loaded."""
    route = trace.route
    try:
        await _resident(residency, route.release)
    except EngineUnavailableError:
        if route.otherwise is None:
            raise
        trace.engine_error = True
        trace.end()
        return await _routed(client, residency, trace.elsewhere(Route(route.otherwise, STABLE)), open_streams)
    try:
        return await _answer(client, trace, open_streams)
    except EngineRefusedError as error:
        if error.status != 404 or route.release.engine_name.encode() not in error.body:
            raise _renamed(error, route.release) from error
    # The engine has lost it since (it was restarted, or somebody unloaded it): nothing was answered yet.
    residency.forget(route.release.engine_name)
    await _resident(residency, route.release)
    return await _answer(client, trace, open_streams)


async def _answer(client: EngineClient, trace: Trace, open_streams: AsyncExitStack) -> Answer:
    release, ask = trace.route.release, trace.ask
    request = payload.for_release(ask, release, trace.caller.name)
    headers = {_RELEASE: str(release.ref)}
    if trace.route.why in _TOLD:
        headers["x-postil-channel"] = trace.route.why
    if not release.validators:
        return await _pass_on(client, ask, request, release.engine_name, headers, open_streams, trace)
    answer = msgspec.json.decode(await client.post(ask.kind.value, request))
    answer["model"] = release.ref.name
    headers |= _validate(answer, trace)
    events = ask.stream
    body = answers.as_events(answer, ask) if events else answers.as_json(answer)
    return _whole(headers, EVENTS if events else JSON, body, trace)


def _whole(headers: Mapping[str, str], content_type: str, body: bytes, trace: Trace | None) -> Answer:
    if trace is not None:
        if trace.raw is not None:
            trace.raw.append(body)
        trace.end()
    return Answer(headers, content_type, body)


def _validate(answer: dict[str, Any], trace: Trace) -> dict[str, str]:
    """Judge every choice in place; returns the header that says where a fallback was served, and why."""
    release, ask = trace.route.release, trace.ask
    exchange = Exchange(release.ref, trace.caller.name, ask.body)
    reasons: dict[str, None] = {}
    for choice in answer["choices"]:
        judgement = judge(release, exchange, answers.completion(choice, ask.kind))
        if judgement.fallback is not None:
            trace.failed_validation = trace.fell_back = True
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
    headers: Mapping[str, str],
    open_streams: AsyncExitStack,
    trace: Trace | None = None,
) -> Answer:
    """Nobody looks at the text, so nobody parses it: only the name is put right."""
    outside = trace.route.release.ref.name if trace else inside
    if not ask.stream:
        body = await client.post(ask.kind.value, request)
        return _whole(headers, JSON, _rename(body, inside, outside), trace)
    chunks = await open_streams.enter_async_context(client.stream(ask.kind.value, request))
    if inside != outside:
        chunks = stream.renamed(chunks, inside, outside)
    return Answer(headers, EVENTS, stream.ended_cleanly(chunks, trace))


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
