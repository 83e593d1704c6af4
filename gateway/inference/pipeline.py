"""The way of one completion. The only place that knows the order of things.

Name the release, put its policy in force, wait for a place, ask the engine, judge, fall back, answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec

from postil.gateway.engine.lease import NotLoadedError, Seats
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError, GatewayError, UnvalidatedError
from postil.gateway.inference import request as payload
from postil.gateway.inference import responses as answers
from postil.gateway.inference.engine_call import Access
from postil.gateway.inference.guardrails.enforcer import Answering, Around, falls_back_on_errors, reads_whole
from postil.gateway.inference.label_prefill import Openings
from postil.gateway.inference.metering import Meter
from postil.gateway.inference.record import End, Trace
from postil.gateway.inference.request import Ask
from postil.gateway.inference.routing.catalog import AUTO, BASE, PIN, Catalog, Route
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.routing.release import Servable
from postil.gateway.inference.streaming import passthrough as stream
from postil.gateway.inference.streaming.guarded import streamed
from postil.gateway.tenancy.directory import Caller
from postil.registry.releases.channels import CANARY, STABLE

JSON = "application/json"
EVENTS = "text/event-stream"
_RELEASE = "x-postil-release"
# Where an answer does not come from what is live, the client is told why not.
_TOLD = (CANARY, PIN)


class Running(Around, Protocol):
    """What the pipeline needs of the gateway around it; each is read once per request."""

    @property
    def catalog(self) -> Catalog:
        """What can be asked for."""

    @property
    def extensions(self) -> Extensions:
        """The plugins that the settings name."""

    @property
    def openings(self) -> Openings:
        """How label answers begin."""

    @property
    def meter(self) -> Meter:
        """Counts what the engine is asked."""

    @property
    def seats(self) -> Seats:
        """Seats at the engine."""

    def came(self, trace: Trace) -> None:
        """A request is on its way to a release."""

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
    model = ask.model
    if model in (None, AUTO) and running.extensions.routes:
        model = await running.extensions.route(caller, ask.body, running.catalog.domains(caller)) or model
    route = running.catalog.resolve(model, caller, ask.user)
    if route is None:
        access = _access(running, caller, ask)
        return await _pass_on(access, ask, payload.for_base(ask, caller.name), {_RELEASE: BASE}, open_streams)
    trace = Trace(route, caller, ask, running.ended, running.came)
    # However this goes on: a request that came has an end.
    open_streams.callback(trace.end, End.LEFT)
    try:
        return await _routed(running, trace, open_streams)
    except UnvalidatedError:
        trace.failed_validation = True
        trace.end()
        raise
    except (EngineUnavailableError, EngineRefusedError) as error:
        if isinstance(error, EngineRefusedError) and error.status < 500:  # The request's own fault.
            trace.end(End.REFUSED)
            raise
        return await _failed(running, trace, error)
    except GatewayError:
        trace.end(End.REFUSED)
        raise
    except Exception:  # A fault of ours, or of what the release brought along: it does not speak for the release.
        trace.engine_error = True
        trace.end()
        raise


async def answered(running: Running, caller: Caller, ask: Ask) -> bytes:
    """Answer one completion that is not to be streamed. Raises as ``complete`` does."""
    async with AsyncExitStack() as open_streams:
        answer = await complete(running, caller, ask, open_streams)
    assert isinstance(answer.body, bytes), "no stream was asked for"
    return answer.body


async def _routed(running: Running, trace: Trace, open_streams: AsyncExitStack) -> Answer:
    """Answer by the release that the route names, or by the one that answers in its place."""
    access = _access(running, trace.caller, trace.ask, trace)
    try:
        return await _asked(running, access, trace, open_streams)
    except NotLoadedError:
        if trace.route.otherwise is None:
            raise
        # A canary that cannot even be loaded: the stable release goes on with the request.
        trace.elsewhere(Route(trace.route.otherwise, STABLE))
        return await _asked(running, access, trace, open_streams)


async def _asked(running: Running, access: Access, trace: Trace, open_streams: AsyncExitStack) -> Answer:
    release = trace.route.release
    try:
        return await _answer(running, access, trace, open_streams)
    except EngineRefusedError as error:
        if error.status != 404 or release.engine_name.encode() not in error.body:
            raise _renamed(error, release) from error
    # The engine has lost it since (it was restarted, or somebody unloaded it): nothing was answered yet.
    access.lost(release)
    try:
        return await _answer(running, access, trace, open_streams)
    except EngineRefusedError as error:
        raise _renamed(error, release) from error


async def _answer(running: Running, access: Access, trace: Trace, open_streams: AsyncExitStack) -> Answer:
    release, ask = trace.route.release, trace.ask
    request = payload.for_release(ask, release, trace.caller.name)
    if not reads_whole(release):
        return await _pass_on(access, ask, request, _headers(trace), open_streams, trace)
    answering = Answering(running, trace, access.again)
    instead = await answering.checked()
    if instead is not None:
        return await _written(answering, answers.of_choice(instead, ask.kind), trace)
    if not payload.held_whole(ask, release):
        chunks, cancel = await access.stream(release, request, open_streams)
        headers = {**_headers(trace), **await answering.headers()}
        return Answer(headers, EVENTS, streamed(answering, trace, chunks, cancel))
    opening = running.openings.of(access.client, release, ask, request)
    request = request if opening is None else opening.begin(request)
    answer = msgspec.json.decode(await access.post(release, request))
    for choice in answer["choices"]:
        if opening is not None:
            opening.complete(choice)
        await answering.settle(choice)
        asked = ask.body.get("logprobs")  # 0 is a wish, too: for the chosen tokens alone.
        if release.needs_tokens and (asked is None or asked is False):
            answers.drop_tokens(choice)
    return await _written(answering, answer, trace)


async def _failed(running: Running, trace: Trace, error: EngineUnavailableError | EngineRefusedError) -> Answer:
    """What the policy says is served where the engine failed; the error, where it says nothing."""
    trace.engine_error = True
    if not falls_back_on_errors(trace.route.release):
        trace.end()
        raise error
    answering = Answering(running, trace, partial(_again_if_up, running, trace))
    try:
        choice = await answering.broken(error)
    except (GatewayError, EngineRefusedError):
        trace.end()
        raise
    return await _written(answering, answers.of_choice(choice, trace.ask.kind), trace)


async def _again_if_up(running: Running, trace: Trace, release: Servable | None, request: Mapping[str, Any]) -> bytes:
    return await _access(running, trace.caller, trace.ask, trace).again(release, request)


def _access(running: Running, caller: Caller, ask: Ask, trace: Trace | None = None) -> Access:
    """The way to the engine. Raises EngineUnavailableError while it is not ready."""
    return Access(running.seats, running.meter, caller, ask, trace)


async def _written(answering: Answering, answer: dict[str, Any], trace: Trace) -> Answer:
    """A judged answer as the client asked for it."""
    ask = trace.ask
    answer["model"] = trace.route.release.ref.name
    headers = {**_headers(trace), **await answering.headers()}
    if answering.notice:
        answer["postil"] = {"notice": answering.notice}
    body = answers.as_events(answer, ask) if ask.stream else answers.as_json(answer)
    return _whole(headers, EVENTS if ask.stream else JSON, body, trace)


def _headers(trace: Trace) -> dict[str, str]:
    """Which release answers; and where it is not what is live, why not."""
    headers = {_RELEASE: str(trace.route.release.ref)}
    if trace.route.why in _TOLD:
        headers["x-postil-channel"] = trace.route.why
    return headers


def _whole(headers: Mapping[str, str], content_type: str, body: bytes, trace: Trace | None) -> Answer:
    if trace is not None:
        if trace.raw is not None:
            trace.raw.append(body)
        trace.end()
    return Answer(headers, content_type, body)


async def _pass_on(
    access: Access,
    ask: Ask,
    request: Mapping[str, Any],
    headers: Mapping[str, str],
    open_streams: AsyncExitStack,
    trace: Trace | None = None,
) -> Answer:
    """Nobody looks at the text, so nobody parses it: only the name is put right."""
    release = trace.route.release if trace else None
    inside, outside = (release.engine_name, release.ref.name) if release else (BASE, BASE)
    if not ask.stream:
        body = await access.post(release, request)
        return _whole(headers, JSON, _rename(body, inside, outside), trace)
    chunks, _ = await access.stream(release, request, open_streams)
    if inside != outside:
        chunks = stream.renamed(chunks, inside, outside)
    return Answer(headers, EVENTS, stream.ended_cleanly(chunks, trace))


def _rename(body: bytes, inside: str, outside: str) -> bytes:
    return body if inside == outside else body.replace(inside.encode(), outside.encode())


def _renamed(error: EngineRefusedError, release: Servable) -> EngineRefusedError:
    return EngineRefusedError(error.status, _rename(error.body, release.engine_name, release.ref.name))
