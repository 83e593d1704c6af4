"""Reads a chat's messages: only what is looked at here reaches the engine and the checks, in one and the same form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.fields.tools import read_calls

ROLES = ("system", "developer", "user", "assistant", "tool")
_ROLES = frozenset(ROLES)
_NAME = 256
# Parts that are a text, and where it stands.
_TEXTS: Mapping[str, str] = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
# Parts that only a base with eyes and ears takes, and the one field of theirs that is passed on.
MEDIA = frozenset({"image_url", "input_audio", "audio_url", "video_url"})
Message = dict[str, Any]


def read_messages(messages: Sequence[Any]) -> list[Message]:
    """The messages, each of a known role and with known content; what else stands in them is left out.

    Raises BadRequestError.
    """
    if not messages:
        raise BadRequestError("messages is empty; send at least one", param="messages")
    read: list[Message] = []
    for number, message in enumerate(messages):
        if type(message) is not dict:
            raise _refused(number, "has to be an object")
        role = message.get("role")
        if type(role) is not str or role not in _ROLES:
            raise _refused(number, f"has to have one of the roles {', '.join(ROLES)}")
        # Nearly every message is one of these.
        if type(message.get("content")) is str and len(message) == 2:
            read.append(message)
        else:
            read.append(_message(number, role, message))
    return read


def has_media(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a message, as read here, has a part that is no text."""
    for message in messages:
        content = message.get("content")
        if type(content) is list and any(part["type"] in MEDIA for part in content):
            return True
    return False


def _message(number: int, role: str, message: Mapping[str, Any]) -> Message:
    """A message whose fields are looked at one by one."""
    read: Message = {"role": role, "content": _content(number, message.get("content"))}
    _take(number, message, "name", read, _NAME)
    if role == "tool":
        _take(number, message, "tool_call_id", read, _NAME)
    if role == "assistant":
        reasoning = message.get("reasoning")
        if reasoning is None:
            reasoning = message.get("reasoning_content")
        if reasoning is not None:
            _take(number, {"reasoning": reasoning}, "reasoning", read, None)
        if message.get("function_call") is not None:
            raise _refused(number, "has a `function_call`; send `tool_calls`")
        if message.get("tool_calls"):
            read["tool_calls"] = read_calls(message["tool_calls"], lambda text: _refused(number, text))
    return read


def _take(number: int, message: Mapping[str, Any], key: str, read: Message, most: int | None) -> None:
    value = message.get(key)
    if value is None:
        return
    if type(value) is not str or (most is not None and len(value) > most):
        length = "" if most is None else f" of at most {most} characters"
        raise _refused(number, f"has to have a string{length} as `{key}`")
    read[key] = value


def _content(number: int, content: Any) -> Any:
    if content is None or type(content) is str:
        return content
    if type(content) is not list:
        raise _refused(number, "has to have a string or a list of parts as `content`")
    return [_part(part, lambda text: _refused(number, text)) for part in content]


def _part(part: Any, refused: Callable[[str], BadRequestError]) -> dict[str, Any]:
    if type(part) is str:
        return {"type": "text", "text": part}
    if type(part) is not dict:
        raise refused("has a part that is neither an object nor a string")
    kind = part.get("type", "text")
    if type(kind) is str and (key := _TEXTS.get(kind)) is not None:
        if type(part.get(key)) is not str:
            raise refused(f"has a part of type {kind} without a string as `{key}`")
        return {"type": "text", "text": part[key]}
    if type(kind) is str and kind in MEDIA:
        if type(part.get(kind)) is not dict or not all(type(value) is str for value in part[kind].values()):
            raise refused(f"has a part of type {kind} without an object of strings as `{kind}`")
        return {"type": kind, kind: part[kind]}
    known = ", ".join((*_TEXTS, *sorted(MEDIA)))
    raise refused(f"has a part of an unknown type; known are {known}")


def _refused(number: int, text: str) -> BadRequestError:
    return BadRequestError(f"messages[{number}] {text}", param="messages")
