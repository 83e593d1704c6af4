"""Answers one completion. The only file that knows the order of the steps.

Resolve the release, apply its policy, take a lease, ask the engine, validate, fall back, answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from postil.gateway.engine.lease import NotLoadedError
from postil.gateway.errors import (
    EngineRefusedError,
    EngineUnavailableError,
    GatewayError,
    PolicyRefusedError,
    UnvalidatedError,
)
from postil.gateway.inference import request as payload
from postil.gateway.inference import responses as answers
from postil.gateway.inference.answer_form import asked_form
from postil.gateway.inference.context import DiscardReviews, InferenceContext
from postil.gateway.inference.engine_call import EngineCall
from postil.gateway.inference.engine_refusal import client_error
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.guardrails.enforcer import Enforcer, SendToEngine
from postil.gateway.inference.label_answer import answer_of
from postil.gateway.inference.record import RequestOutcome, RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import AUTO, BASE, NUMBER, PIN, Route
from postil.gateway.inference.routing.release import LoadedRelease, falls_back_on_errors, has_guardrails
from postil.gateway.inference.streaming import passthrough as stream
from postil.gateway.inference.streaming.guarded import streamed
from postil.gateway.inference.streaming.whole_answer import as_events
from postil.gateway.tenancy.directory import Caller
from postil.registry.releases.channels import CANARY, STABLE

JSON = "application/json"
EVENTS = "text/event-stream"
_RELEASE = "x-postil-release"
_NOTES = {name: f"x-postil-{name}" for name in ("fallback", "notice", "review")}
# Tells of a text completion that the policy's prompt is not in it.
_PROMPT = "x-postil-system-prompt"
# Where an answer does not come from what is live, the client is told why not.
_REPORTED_CHANNELS = (CANARY, PIN)


@dataclass(frozen=True, slots=True)
class PipelineResponse:
    """The response: ``body`` is whole or, for a stream, an iterator of chunks.

    ``held`` is a stream whose texts checks hold back: one may go on after another has begun.
    """

    headers: Mapping[str, str]
    content_type: str
    body: bytes | AsyncIterator[bytes]
    held: bool = False


async def complete(
    context: InferenceContext, caller: Caller, ask: CompletionRequest, open_streams: AsyncExitStack
) -> PipelineResponse:
    """Answer one completion. A stream stays open until ``open_streams`` is closed.

    Raises GatewayError, or EngineRefusedError with what the engine said.
    """
    route = await _route(context, caller, ask)
    if route is None:
        access = _access(context, caller, ask)
        return await _pass_on(access, ask, payload.build_base_request(ask, caller.name), {_RELEASE: BASE}, open_streams)
    record = RequestRecord.start(route, caller, ask, context.observers)
    # However this goes on: a request that came has an end.
    open_streams.callback(record.finish, RequestOutcome.LEFT)
    try:
        return await _routed(context, record, open_streams)
    except UnvalidatedError:
        record.failed_validation = True
        record.finish()
        raise
    except (EngineUnavailableError, EngineRefusedError) as error:
        return await _failed(context, record, await _engines_fault(context, record, error))
    except GatewayError:
        record.finish(RequestOutcome.REFUSED)
        raise
    except Exception:  # A fault of ours, or of what the release brought along: it does not speak for the release.
        record.engine_error = True
        record.finish()
        raise


async def _route(context: InferenceContext, caller: Caller, ask: CompletionRequest) -> Route | None:
    """The way to the release that answers, or None for the base; what a client has compiled for it is checked.

    Where a release constrains its answers, a client's schema is not sent on, and so not compiled.
    """
    if ask.release is not None:
        return Route(ask.release, NUMBER)
    model = ask.model
    if model in (None, AUTO) and context.extensions.routes:
        model = await context.extensions.route(caller, ask.body, context.catalog.current.domains(caller)) or model
    route = context.catalog.current.resolve(model, caller, ask.user)
    if route is None or route.release.constraint is None:
        await context.grammars.admit(caller, ask)
    return route


async def answered(context: InferenceContext, caller: Caller, ask: CompletionRequest) -> bytes:
    """Answer one completion that is not to be streamed. Raises as ``complete`` does."""
    async with AsyncExitStack() as open_streams:
        answer = await complete(context, caller, ask, open_streams)
    assert isinstance(answer.body, bytes), "no stream was asked for"
    return answer.body


async def _routed(context: InferenceContext, record: RequestRecord, open_streams: AsyncExitStack) -> PipelineResponse:
    """Answer by the release that the route names, or by the one that answers in its place."""
    access = _access(context, record.caller, record.request, record)
    try:
        return await _answer_loaded(context, access, record, open_streams)
    except NotLoadedError:
        if record.route.otherwise is None:
            raise
        # A canary that cannot even be loaded: the stable release goes on with the request.
        record.reroute(Route(record.route.otherwise, STABLE))
        return await _answer_loaded(context, access, record, open_streams)


async def _answer_loaded(
    context: InferenceContext, access: EngineCall, record: RequestRecord, open_streams: AsyncExitStack
) -> PipelineResponse:
    release = record.route.release
    try:
        return await _answer(context, access, record, open_streams)
    except EngineRefusedError as error:
        if error.status != 404 or release.engine_name.encode() not in error.body:
            raise client_error(error, release) from error
    # The engine has lost it since (it was restarted, or somebody unloaded it): nothing was answered yet.
    access.adapter_lost(release)
    try:
        return await _answer(context, access, record, open_streams)
    except EngineRefusedError as error:
        raise client_error(error, release) from error


async def _answer(
    context: InferenceContext, access: EngineCall, record: RequestRecord, open_streams: AsyncExitStack
) -> PipelineResponse:
    release, ask = record.route.release, record.request
    request = payload.build_engine_request(ask, release, record.caller.name)
    record.form = asked_form(ask, release) if release.constraint is not None else None
    calls_tool = record.form is not None and record.form.tool is not None
    if calls_tool:  # A call is written once the answer is whole.
        request["stream"] = False
        request.pop("stream_options", None)
    if not (calls_tool or has_guardrails(release)):
        return await _pass_on(access, ask, request, _headers(record), open_streams, record)
    answering = _enforcer(context, record, access.retry)
    instead = await answering.check_input()
    if instead is not None:
        return await _written(answering, answers.of_choice(instead, ask.kind), record)
    if not (calls_tool or payload.must_buffer(ask, release)):
        chunks, cancel = await access.stream(release, request, open_streams)
        headers = {**_headers(record), **await answering.headers()}
        return PipelineResponse(headers, EVENTS, streamed(answering, record, chunks, cancel), held=True)
    if ask.stream and ask.on_held is not None:
        access.on_leased = partial(ask.on_held, _headers(record))
    opening = context.label_prefixes.of(access.client, release, ask, request)
    answer = await answer_of(access, release, request, ask.kind, opening)
    for choice in answer["choices"]:
        await answering.enforce(choice)
        logprobs = ask.body.get("logprobs")  # 0 is a wish, too: for the chosen tokens alone.
        if release.needs_tokens and (logprobs is None or logprobs is False):
            answers.drop_tokens(choice)
    return await _written(answering, answer, record)


async def _engines_fault(
    context: InferenceContext, record: RequestRecord, error: EngineUnavailableError | EngineRefusedError
) -> EngineUnavailableError | EngineRefusedError:
    """The error, where it is not the request's own: a refusal is the policy's if the engine refuses that alone too.

    Raises ``error`` where it is the request's.
    """
    if not isinstance(error, EngineRefusedError) or error.status >= 500:
        return error
    release = record.route.release
    try:
        if await context.trials.is_refused(context.leases.client, release):
            return PolicyRefusedError(str(release.ref))
    except EngineUnavailableError:
        pass  # It cannot be told any more; the client hears what the engine said of its request.
    record.finish(RequestOutcome.REFUSED)
    raise error


async def _failed(
    context: InferenceContext, record: RequestRecord, error: EngineUnavailableError | EngineRefusedError
) -> PipelineResponse:
    """What the policy says is served where the engine failed; the error, where it says nothing."""
    record.engine_error = True
    if not falls_back_on_errors(record.route.release):
        record.finish()
        raise error
    answering = _enforcer(context, record, partial(_again_if_up, context, record))
    try:
        choice = await answering.on_engine_error(error)
    except (GatewayError, EngineRefusedError):
        record.finish()
        raise
    return await _written(answering, answers.of_choice(choice, record.request.kind), record)


def _enforcer(context: InferenceContext, record: RequestRecord, send: SendToEngine) -> Enforcer:
    # What an admin asks of a release by its number is a trial: nobody waits for it, and people have reviews enough.
    is_trial = record.caller.admin and record.route.reason == NUMBER
    reviews = DiscardReviews() if is_trial else context.reviews
    return Enforcer(record, send, plugin_host=context.plugin_host, catalog=context.catalog, reviews=reviews)


async def _again_if_up(
    context: InferenceContext, record: RequestRecord, release: LoadedRelease | None, request: Mapping[str, Any]
) -> bytes:
    return await _access(context, record.caller, record.request, record).retry(release, request)


def _access(
    context: InferenceContext, caller: Caller, ask: CompletionRequest, record: RequestRecord | None = None
) -> EngineCall:
    """The way to the engine. Raises EngineUnavailableError while it is not ready."""
    return EngineCall(context.leases, context.meter, caller, ask, record)


async def _written(answering: Enforcer, answer: dict[str, Any], record: RequestRecord) -> PipelineResponse:
    """A judged answer as the client asked for it."""
    ask = record.request
    answer["model"] = record.route.release.ref.name
    if record.form is not None:
        for choice in answer["choices"]:
            answering.tell(record.form.misfit(answers.completion(choice, ask.kind).text))
            record.form.put(choice)
    headers = {**_headers(record), **await answering.headers()}
    if answering.notice:
        answer["postil"] = {"notice": answering.notice}
    body = as_events(answer, ask, _notes(headers)) if ask.stream else answers.as_json(answer)
    return _whole(headers, EVENTS if ask.stream else JSON, body, record)


def _notes(headers: Mapping[str, str]) -> dict[str, str]:
    """What the last event of a stream tells, under the names of the headers, which may have left before."""
    return {name: headers[full] for name, full in _NOTES.items() if full in headers}


def _headers(record: RequestRecord) -> dict[str, str]:
    """Which release answers; and where it is not what is live, why not."""
    headers = {_RELEASE: str(record.route.release.ref)}
    if record.route.reason in _REPORTED_CHANNELS:
        headers["x-postil-channel"] = record.route.reason
    if record.request.kind is Kind.TEXT and record.route.release.policy.system_prompt:
        headers[_PROMPT] = "left out"
    return headers


def _whole(
    headers: Mapping[str, str], content_type: str, body: bytes, record: RequestRecord | None
) -> PipelineResponse:
    if record is not None:
        if record.raw is not None:
            record.raw.append(body)
        record.finish()
    return PipelineResponse(headers, content_type, body)


async def _pass_on(
    access: EngineCall,
    ask: CompletionRequest,
    request: Mapping[str, Any],
    headers: Mapping[str, str],
    open_streams: AsyncExitStack,
    record: RequestRecord | None = None,
) -> PipelineResponse:
    """Pass the answer on unparsed, with the model's name replaced."""
    release = record.route.release if record else None
    inside, outside = (release.engine_name, release.ref.name) if release else (BASE, BASE)
    if not ask.stream:
        body = await access.post(release, request)
        return _whole(headers, JSON, _rename(body, inside, outside), record)
    chunks, _ = await access.stream(release, request, open_streams)
    chunks = stream.whole_events(chunks, inside, outside)
    return PipelineResponse(headers, EVENTS, stream.ended_cleanly(chunks, record))


def _rename(body: bytes, inside: str, outside: str) -> bytes:
    return body if inside == outside else body.replace(inside.encode(), outside.encode())
