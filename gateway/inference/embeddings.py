"""``/v1/embeddings``, where the engine serves them: routed, bounded, counted and charged as completions are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.errors import BadRequestError, EngineRefusedError, EngineUnavailableError
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.cost import check_characters
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.engine_refusal import client_error
from postil.gateway.inference.fields.beside import EMBEDDINGS, UnsupportedEndpointError, check_body
from postil.gateway.inference.fields.field import Guard
from postil.gateway.inference.request import cache_salt, guard_of, read_json
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.tenancy.directory import Caller


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Embedded(msgspec.Struct):
    data: list[msgspec.Raw]
    usage: _Usage


_embedded = msgspec.json.Decoder(_Embedded)


class Embedded(NamedTuple):
    """The engine's answer, and by what it was made."""

    body: bytes
    model: str


def no_embeddings() -> UnsupportedEndpointError:
    """The error where the engine generates, and embeds nothing."""
    return UnsupportedEndpointError(
        "this engine serves no embeddings: it generates text; ask /v1/chat/completions, or another server for those"
    )


async def embed(
    context: InferenceContext, caller: Caller, raw: bytes, limits: CostLimits, deadline: float | None
) -> Embedded:
    """Embed texts. Raises GatewayError or EngineRefusedError."""
    body = check_body(EMBEDDINGS, read_json(raw))
    inputs = _count(body["input"])
    if inputs > limits.sequences:
        raise BadRequestError(
            f"input has {inputs} texts, and a request may have {limits.sequences}; send fewer at a time", param="input"
        )
    check_characters(body, limits, inputs, "input")
    route = context.catalog.current.resolve(body.get("model"), caller, body.get("user"))
    release = route.release if route is not None else None
    if release is not None and guard_of(release) is not Guard.OPEN:
        why = f"{release.ref} answers by a policy, which judges no embeddings; ask `base`"
        raise BadRequestError(why, param="model", code="unsupported_parameter")
    return await _embedded_by(context, caller, release, _payload(body, caller, release), inputs, deadline)


async def _embedded_by(
    context: InferenceContext,
    caller: Caller,
    release: LoadedRelease | None,
    payload: Mapping[str, Any],
    inputs: int,
    deadline: float | None,
) -> Embedded:
    lease = context.leases.lease(caller.name, release, inputs, deadline=deadline, retry=False)
    if not lease.try_acquire():
        await lease.wait()
    try:
        answer = await _ask(context, caller, release, payload)
    except EngineRefusedError as error:
        if release is not None and error.status == 404 and release.engine_name.encode() in error.body:
            context.leases.adapter_lost(release.engine_name)
            raise EngineUnavailableError(f"{release.ref} is loaded again; try again in a moment") from None
        if error.status in (404, 501):
            raise no_embeddings() from None
        raise error if release is None else client_error(error, release) from error
    finally:
        lease.release()
    if release is None:
        return Embedded(answer, BASE)
    return Embedded(answer.replace(release.engine_name.encode(), release.ref.name.encode()), str(release.ref))


async def _ask(
    context: InferenceContext, caller: Caller, release: LoadedRelease | None, payload: Mapping[str, Any]
) -> bytes:
    client = context.leases.client
    metered = context.meter.on(client, caller, release.ref if release else None)
    try:
        answer = await client.post(EMBEDDINGS.path, payload)
    except (EngineRefusedError, EngineUnavailableError):
        raise
    except BaseException:  # The client has left. The engine has begun, and says nothing more.
        metered.note(None, payload)
        raise
    metered.note((decode(answer, _embedded).usage.prompt_tokens, 0), payload)
    return answer


def _payload(body: Mapping[str, Any], caller: Caller, release: LoadedRelease | None) -> dict[str, Any]:
    sent = {name: value for name, value in body.items() if name in EMBEDDINGS.passed}
    name, inside = (BASE, BASE) if release is None else (str(release.ref), release.engine_name)
    return {**sent, "model": inside, "cache_salt": cache_salt(caller.name, name)}


def _count(given: str | list[Any]) -> int:
    """How many texts there are: a list of numbers is one, as tokens."""
    return len(given) if type(given) is list and type(given[0]) is not int else 1
