"""What a client is told of an engine's refusal: the engine's own sentence, but never a policy's prompt."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from postil.gateway.errors import EngineRefusedError
from postil.gateway.inference.routing.release import LoadedRelease

# So many characters in a row are a quotation.
_QUOTED = 24
# pydantic quotes what it was given, on lines of their own.
_QUOTES_INPUT = re.compile(r"input_value=|\[type=")
# Signs that an error may write otherwise than the prompt has them, escapes among them; and all but ASCII's letters.
_SIGNS = re.compile(r"\\[nrt]|\\u[0-9a-fA-F]{4}|[\W_]+")
_NOT_ASCII = re.compile(r"[^A-Za-z0-9]+")
# A shorter one says nothing that is worth hiding.
_LEAST = 8
# A longer message is no sentence for a client, and it would take long to look through.
_MOST_CHARACTERS = 1000
_GENERAL = "the engine refuses this request; see its fields in the reference, or ask without those that are not needed"
_decoder = msgspec.json.Decoder(dict[str, Any])


def client_error(error: EngineRefusedError, release: LoadedRelease) -> EngineRefusedError:
    """The error under the release's public name; where it may quote the policy's prompt, a general sentence instead."""
    prompt = release.policy.system_prompt
    if prompt and _quotes(error.body, prompt):
        body = {"error": {"message": _GENERAL, "type": "invalid_request_error", "param": None, "code": None}}
        return EngineRefusedError(error.status, msgspec.json.encode(body))
    inside, outside = release.engine_name.encode(), release.ref.name.encode()
    return EngineRefusedError(error.status, error.body.replace(inside, outside))


def _quotes(body: bytes, prompt: str) -> bool:
    """Whether a refusal has a part of a prompt in it, however its spaces and signs are escaped."""
    try:
        message = " ".join(str(value) for value in _decoder.decode(body)["error"].values())
    except (msgspec.DecodeError, AttributeError, KeyError):
        return True  # Whatever it is, it is not a sentence for a client.
    if len(message) > _MOST_CHARACTERS or _QUOTES_INPUT.search(message):
        return True
    reply, hidden = _SIGNS.sub("", message), _SIGNS.sub("", prompt)
    return _has_part(reply, hidden) or _has_part(_NOT_ASCII.sub("", reply), _NOT_ASCII.sub("", hidden))


def _has_part(reply: str, hidden: str) -> bool:
    length = min(_QUOTED, len(hidden))
    if length < _LEAST:
        return False
    parts = {reply[start : start + length] for start in range(len(reply) - length + 1)}
    return any(hidden[start : start + length] in parts for start in range(len(hidden) - length + 1))
