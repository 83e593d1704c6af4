"""Reads the ``input`` of a response as a chat's messages: messages, calls of tools, what they said, and thoughts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from postil.gateway.inference.formats.conversation import Conversation

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS: Mapping[str, str] = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_MEDIA = ("input_image", "input_file", "input_audio")
_KNOWN = "message, function_call, function_call_output and reasoning"


def read_input(given: str | Sequence[Any]) -> Conversation:
    """The conversation. Raises BadRequestError."""
    conversation = Conversation("input")
    if isinstance(given, str):
        conversation.say("user", [given])
        return conversation
    for number, item in enumerate(given):
        _read(conversation, f"input[{number}]", item)
    return conversation


def _read(conversation: Conversation, place: str, item: Mapping[str, Any]) -> None:
    kind = item.get("type") or "message"
    if kind == "message":
        _message(conversation, place, item)
    elif kind == "function_call":
        arguments = item.get("arguments")
        if type(arguments) is not str:
            raise conversation.refused(f"{place} has to have `arguments`, a string")
        conversation.call(place, item.get("call_id"), item.get("name"), arguments)
    elif kind == "function_call_output":
        conversation.result(place, item.get("call_id"), _texts(conversation, place, item.get("output"), "output"))
    elif kind == "reasoning":
        for text in _thoughts(item):
            conversation.think(text)
    elif kind == "item_reference":
        raise conversation.refused(f"{place} refers to a stored item, and nothing is stored here; send the item itself")
    else:
        raise conversation.refused(f"{place} is of a type that is not taken here; send {_KNOWN}")


def _message(conversation: Conversation, place: str, item: Mapping[str, Any]) -> None:
    role = item.get("role")
    if role not in _ROLES:
        raise conversation.refused(f"{place} has to have one of the roles {', '.join(_ROLES)}")
    conversation.say(role, _texts(conversation, place, item.get("content"), "content"))


def _texts(conversation: Conversation, place: str, content: Any, key: str) -> list[str]:
    if type(content) is str:
        return [content]
    if type(content) is not list:
        raise conversation.refused(f"{place} has to have a string or a list of parts as `{key}`")
    return [_text(conversation, place, part) for part in content]


def _text(conversation: Conversation, place: str, part: Any) -> str:
    kind = part.get("type") if type(part) is dict else None
    if kind in _MEDIA:
        raise conversation.refused(f"{place} has an image, a file or sound in it; send texts")
    key = _TEXTS.get(kind) if type(kind) is str else None
    if key is None or type(part.get(key)) is not str:
        raise conversation.refused(f"{place} has a part that is no text; send parts of type {', '.join(_TEXTS)}")
    return str(part[key])


def _thoughts(item: Mapping[str, Any]) -> list[str]:
    """What can be read of the thoughts; encrypted ones are somebody else's."""
    parts = item.get("content") or item.get("summary") or ()
    if type(parts) is not list:
        return []
    return [part["text"] for part in parts if type(part) is dict and type(part.get("text")) is str]
