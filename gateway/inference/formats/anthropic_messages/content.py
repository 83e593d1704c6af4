"""Reads the blocks of messages: texts, calls of tools and their results, and thoughts, as a chat's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.formats.conversation import Conversation

_ROLES = ("user", "assistant", "system")
_THOUGHTS = ("thinking", "redacted_thinking")
_MEDIA = ("image", "document", "search_result")
_encoder = msgspec.json.Encoder()


def read_messages(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """The conversation. Raises BadRequestError."""
    conversation = Conversation("messages")
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES:
            raise conversation.refused(f"{place} has to have one of the roles {', '.join(_ROLES)}")
        if type(content) is str:
            conversation.say(role, [content])
        elif type(content) is list:
            _blocks(conversation, place, role, content)
        else:
            raise conversation.refused(f"{place} has to have a string or a list of blocks as `content`")
    if messages[-1].get("role") == "assistant":
        raise conversation.refused(
            "the last message is the assistant's, and an answer cannot be begun here; end with the user's message"
        )
    return conversation


def read_system(system: str | list[Any] | None) -> str | None:
    """The instructions, as one text. Raises BadRequestError."""
    if system is None or isinstance(system, str):
        return system
    texts = [block.get("text") if type(block) is dict and block.get("type") == "text" else None for block in system]
    if any(type(text) is not str for text in texts):
        raise BadRequestError("system has to be a string or a list of blocks of type text", param="system")
    return "\n".join(map(str, texts)) if texts else None


def _blocks(conversation: Conversation, place: str, role: str, content: Sequence[Any]) -> None:
    """In their order; what is said between calls or results is a message of its own."""
    texts: list[str] = []
    for block in content:
        kind = block.get("type") if type(block) is dict else None
        if kind == "text" and type(block.get("text")) is str:
            texts.append(block["text"])
            continue
        if kind == "tool_use" and role == "assistant":
            _said(conversation, role, texts)
            arguments = block.get("input")
            if type(arguments) is not dict:
                raise conversation.refused(f"{place} has a tool_use without an object as `input`")
            conversation.call(place, block.get("id"), block.get("name"), str(_encoder.encode(arguments), "utf-8"))
        elif kind == "tool_result" and role == "user":
            _said(conversation, role, texts)
            conversation.result(place, block.get("tool_use_id"), _result(conversation, place, block))
        elif kind in _THOUGHTS and role == "assistant":
            if type(block.get("thinking")) is str:
                conversation.think(block["thinking"])
        else:
            raise _unknown(conversation, place, kind)
    _said(conversation, role, texts)


def _said(conversation: Conversation, role: str, texts: list[str]) -> None:
    if texts:
        conversation.say(role, [*texts])
        texts.clear()


def _result(conversation: Conversation, place: str, result: Mapping[str, Any]) -> list[str]:
    """What a tool said; a chat has no other place for saying that it failed."""
    first, *others = _said_by_tool(conversation, place, result.get("content")) or [""]
    return [f"Error: {first}" if result.get("is_error") is True else first, *others]


def _said_by_tool(conversation: Conversation, place: str, content: Any) -> list[str]:
    if content is None or type(content) is str:
        return [content or ""]
    texts = []
    for block in content if type(content) is list else [content]:
        kind = block.get("type") if type(block) is dict else None
        if kind != "text" or type(block.get("text")) is not str:
            raise _unknown(conversation, place, kind)
        texts.append(block["text"])
    return texts


def _unknown(conversation: Conversation, place: str, kind: Any) -> BadRequestError:
    if kind in _MEDIA:
        return conversation.refused(f"{place} has an image or a document in it; send texts")
    return conversation.refused(
        f"{place} has a block that is not taken here; send text, the assistant's thinking and tool_use, and the"
        " user's tool_result"
    )
