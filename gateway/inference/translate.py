"""Requests of other APIs: translated to chats, and their answers and streams back."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from postil.gateway.engine.decode import decode, unreadable
from postil.gateway.errors import BadRequestError, GatewayError
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.formats import FORMATS, Kind, TranslatedFormat
from postil.gateway.inference.formats.translated import ChatAnswer, Translation
from postil.gateway.inference.request import CompletionRequest, OnHeld, from_fields, read_json

_answers = msgspec.json.Decoder(ChatAnswer)
_encoder = msgspec.json.Encoder()
# A chat's messages are not counted as what they were made of.
_COUNTED = re.compile(r"\bmessages\[\d+\]")


def parse_translated(
    api: TranslatedFormat,
    raw: bytes,
    limits: CostLimits | None = None,
    deadline: float | None = None,
    on_held: OnHeld | None = None,
) -> tuple[CompletionRequest, Translation]:
    """Read a request body and translate it. Raises BadRequestError."""
    translation = api.translate(read_json(raw))
    if api.needs_limit and limits is not None:
        _lower_limit(translation.chat, limits)
    try:
        return from_fields(Kind.CHAT, translation.chat, len(raw), limits, deadline, on_held), translation
    except BadRequestError as error:
        raise BadRequestError(_COUNTED.sub("an entry of messages", str(error)), param=error.param) from None


def _lower_limit(chat: dict[str, Any], limits: CostLimits) -> None:
    """Clients that have to send a limit send what large models may: it becomes what this tenant and engine may."""
    window, most = limits.window, limits.output_tokens
    if window is not None and window <= most:
        if chat.get("max_tokens", 0) >= window:  # The engine knows how much of its window is left.
            del chat["max_tokens"]
    elif chat.get("max_tokens", 0) > most:
        chat["max_tokens"] = most


def translated_answer(translation: Translation, body: bytes) -> bytes:
    """A chat's whole answer in the API's own shape. Raises UnreadableAnswerError or UnvalidatedError."""
    answer = decode(body, _answers)
    try:
        choice = FORMATS[Kind.CHAT].as_delta(answer.choices[0])
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise unreadable(type(error).__name__) from None
    return _encoder.encode(translation.answer(answer, choice))


def rename_fields(api: TranslatedFormat, error: GatewayError) -> None:
    """Put an error into the words of an API whose client does not know those of a chat."""
    if (param := error.param) is None:
        return
    wanted = api.renamed.get(param, param)
    error.args, error.param = (re.sub(rf"\b{re.escape(param)}\b", wanted, str(error)),), wanted
