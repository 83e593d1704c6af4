"""What was asked: the conversation, the user's last message in it, and a request cut to what a reviewer needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Stands in a stored request that was cut: its size, and whether the user's last message is whole.
CUT = "postil_cut"
_MESSAGES = "messages"
USER = "user"
# Characters left free for what surrounds the parts that are kept.
_AROUND = 256


def last_message(request: Mapping[str, Any]) -> str:
    """Return the user's last message, or the prompt."""
    messages = request.get(_MESSAGES)
    if not isinstance(messages, list):
        prompt = request.get("prompt")
        return prompt if isinstance(prompt, str) else ""
    asked = [text for message in messages if _is_users(message) for text in _texts(message.get("content"))]
    return asked[-1] if asked else ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation: who said it (``user``, ``assistant``, ``system`` ...), and its text."""

    role: str
    content: str


def conversation(request: Mapping[str, Any]) -> list[Turn]:
    """Return all messages in their order, or the prompt as one of the user's. Calls of tools are shown as JSON."""
    messages = request.get(_MESSAGES)
    if not isinstance(messages, list):
        prompt = last_message(request)
        return [Turn(USER, prompt)] if prompt else []
    return [Turn(str(one.get("role", "")), _said(one)) for one in messages if isinstance(one, dict)]


def is_complete(request: Mapping[str, Any]) -> bool:
    """Whether every message stands in a stored request as it was sent."""
    return CUT not in request or (is_whole(request) and request[CUT].get("messages") is False)


def is_whole(request: Mapping[str, Any]) -> bool:
    """Whether the user's last message stands in a stored request as it was sent."""
    return CUT not in request or not request[CUT]["text"]


def cut(request: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Return the request as it is stored: whole if it is at most ``limit`` bytes long.

    Otherwise it is what a reviewer needs of it: the user's last message, cut to what fits, then the messages next to
    it and small fields as far as there is room, and a note under ``postil_cut``.
    """
    whole = {name: value for name, value in request.items() if name != CUT}
    size = _size(whole)
    if size <= limit:
        return whole
    text = last_message(whole)
    shown = _shortened(text, limit - _AROUND)
    left = limit - _AROUND - _size(shown)
    lost = False
    if isinstance(whole.get(_MESSAGES), list):
        kept: dict[str, Any] = {_MESSAGES: _nearest(whole[_MESSAGES], shown, left)}
        lost = len(kept[_MESSAGES]) < len(whole[_MESSAGES])
    else:
        kept = {"prompt": shown}
    for name in whole.keys() - {_MESSAGES, "prompt"}:
        if _size(kept) + _size({name: whole[name]}) <= limit - _AROUND:
            kept[name] = whole[name]
    return kept | {CUT: {"bytes": size, "text": shown != text, "messages": lost}}


def _nearest(messages: list[Any], shown: str, left: int) -> list[Any]:
    """The user's last message as it is shown, and before and after it the newest others that there is room for."""
    last = max((place for place, message in enumerate(messages) if _is_users(message)), default=-1)
    kept: list[Any] = []
    for place, message in reversed([*enumerate(messages)]):
        size = _size(message) + 2
        if place == last:
            kept.append({"role": USER, "content": shown})
        elif size <= left:
            left -= size
            kept.append(message)
        elif place < last:
            break
    return kept[::-1]


def _shortened(text: str, room: int) -> str:
    """As much of the beginning as fits when it is stored, where one character may take up to twelve."""
    while (size := _size(text)) > room:
        text = text[: min(len(text) - 1, len(text) * room // size)]
    return text


def _size(value: object) -> int:
    return len(json.dumps(value))


def _is_users(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") == USER


def _said(message: Mapping[str, Any]) -> str:
    parts = [*_texts(message.get("content"))]
    if message.get("tool_calls"):
        parts.append(json.dumps(message["tool_calls"], ensure_ascii=False))
    return "\n".join(part for part in parts if part)


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        yield " ".join(part for part in parts if isinstance(part, str))
