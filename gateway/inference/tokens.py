"""``/tokenize`` and ``/detokenize``: the tokens of a text or chat, by the base's tokenizer, which every adapter shares.

What a policy puts in front of a chat is not among them: neither its text nor its length is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.errors import BadRequestError, BusyError, EngineRefusedError
from postil.gateway.fair_slots import FairSlots, NoSlotError
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.cost import check_characters
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.fields.beside import DETOKENIZE, TOKENIZE, Endpoint, UnsupportedEndpointError, check_body
from postil.gateway.inference.fields.messages import has_media, read_messages
from postil.gateway.inference.fields.tools import read_tools
from postil.gateway.inference.formats import COUNT
from postil.gateway.inference.request import read_json
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.inference.translate import parse_translated
from postil.gateway.tenancy.directory import Caller

# vLLM tokenizes in threads that completions need too: few at a time, and of one tenant one.
SLOTS = 4
_WAIT_SECONDS = 10.0


class _Counted(msgspec.Struct):
    count: int


_counts = msgspec.json.Decoder(_Counted)


class Tokenizer:
    """Asks the engine for tokens, with its slots shared out to tenants in turns."""

    def __init__(self, context: InferenceContext) -> None:
        self._context = context
        self._slots = FairSlots(SLOTS)

    async def tokenize(self, caller: Caller, raw: bytes, limits: CostLimits) -> bytes:
        """The tokens of a text or chat, as vLLM writes them. Raises GatewayError or EngineRefusedError."""
        body = check_body(TOKENIZE, read_json(raw))
        if "messages" in body:
            body["messages"] = read_messages(body["messages"])
            if has_media(body["messages"]):
                raise BadRequestError("only texts have tokens here; send no pictures or sound", param="messages")
        if "tools" in body:
            body["tools"] = read_tools(body["tools"])
        check_characters(body, limits, 1, "messages" if "messages" in body else "prompt")
        return await self._ask(TOKENIZE, caller, body)

    async def detokenize(self, caller: Caller, raw: bytes, limits: CostLimits) -> bytes:
        """The text of tokens, as vLLM writes it. Raises GatewayError or EngineRefusedError."""
        body = check_body(DETOKENIZE, read_json(raw))
        check_characters(body, limits, 1, "tokens")
        return await self._ask(DETOKENIZE, caller, body)

    async def count(self, caller: Caller, raw: bytes, limits: CostLimits) -> int:
        """How many tokens the prompt of a request of Anthropic's has. Raises GatewayError or EngineRefusedError."""
        ask, _ = parse_translated(COUNT, raw, limits)
        check_characters(ask.body, limits, 1, "messages")
        return decode(await self._ask(TOKENIZE, caller, ask.body), _counts).count

    async def _ask(self, endpoint: Endpoint, caller: Caller, body: Mapping[str, Any]) -> bytes:
        if "model" in body:  # Whose tokenizer it is makes no difference, but whether the caller may ask does.
            self._context.catalog.current.resolve(body["model"], caller, body.get("user"))
        payload = {name: value for name, value in body.items() if name in endpoint.passed}
        async with self._slot(caller):
            try:
                return await self._context.leases.client.post(endpoint.path, {**payload, "model": BASE})
            except EngineRefusedError as error:
                if error.status != 404:
                    raise
                why = f"this engine has no {endpoint.path}; the `usage` of a completion counts tokens"
                raise UnsupportedEndpointError(why) from None

    @asynccontextmanager
    async def _slot(self, caller: Caller) -> AsyncIterator[None]:
        whose = caller.default_domain or "", caller.name
        try:
            await self._slots.take(*whose, _WAIT_SECONDS)
        except NoSlotError:
            raise BusyError("too many texts wait for their tokens; ask again in a moment", retry_after=1) from None
        try:
            yield
        finally:
            self._slots.give(*whose)
