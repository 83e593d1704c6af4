"""Counts the tokens of a request's prompt, as its release would be sent it; nothing is generated."""

from __future__ import annotations

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.errors import BadRequestError, EngineRefusedError
from postil.gateway.inference import request as payload
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.engine_refusal import client_error
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import AUTO, BASE
from postil.gateway.tenancy.directory import Caller

# What of an engine's request makes its prompt.
_OF_THE_PROMPT = ("messages", "tools", "chat_template_kwargs")


class _Counted(msgspec.Struct):
    count: int


_counts = msgspec.json.Decoder(_Counted)


async def count_tokens(context: InferenceContext, caller: Caller, ask: CompletionRequest) -> int:
    """How many tokens a chat's prompt has, the policy's among them: as its answer's usage would say.

    Raises GatewayError, or EngineRefusedError with what the engine said.
    """
    model = ask.model
    if model in (None, AUTO) and context.extensions.routes:
        model = await context.extensions.route(caller, ask.body, context.catalog.current.domains(caller)) or model
    route = context.catalog.current.resolve(model, caller, ask.user)
    release = route.release if route is not None else None
    if release is None:
        request = payload.build_base_request(ask, caller.name)
    else:
        request = payload.build_engine_request(ask, release, caller.name)
    wanted = {name: request[name] for name in _OF_THE_PROMPT if name in request}
    try:  # Adapters share the base's tokens, and its template.
        return decode(await context.leases.client.post("/tokenize", {"model": BASE, **wanted}), _counts).count
    except EngineRefusedError as error:
        if error.status == 404:
            raise BadRequestError("this engine does not tell tokens; ask, and read the answer's usage") from error
        raise client_error(error, release) if release is not None else error from error
