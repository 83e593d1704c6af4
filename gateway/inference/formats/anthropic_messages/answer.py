"""Writes a chat's answer as a message: the object, and the blocks that it holds."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postil.gateway.errors import UnvalidatedError
from postil.gateway.inference.formats.blocks import Block, BlockKind
from postil.gateway.inference.formats.events import ChoiceDelta

Json = dict[str, Any]
_decoder = msgspec.json.Decoder()
_CUT: Mapping[str, str] = {"length": "max_tokens", "content_filter": "refusal"}


class MessageObject:
    """The message that answers one request: its id, and the ids of its calls, which stay the same."""

    def __init__(self, asked: Mapping[str, Any], *, thoughts: bool) -> None:
        self._id = f"msg_{uuid.uuid4().hex}"
        self._call_ids: dict[int, str] = {}
        self.model = str(asked.get("model") or "")
        # Whether the client wants to see what the model thought.
        self.thoughts = thoughts

    def write(self, content: Sequence[Json], ending: Mapping[str, Any], usage: Mapping[str, Any] | None) -> Json:
        """The object, with these blocks; ``ending`` as ``ending_of`` has it."""
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            **ending,
            "usage": usage_of(usage),
        }

    def shown(self, blocks: Sequence[Block]) -> list[Block]:
        """The blocks that the client sees."""
        return [block for block in blocks if self.thoughts or block.kind is not BlockKind.REASONING]

    def block(self, block: Block) -> Json:
        """A block with all that it says. Raises UnvalidatedError."""
        if block.kind is BlockKind.CALL:
            return {**self.begun(block), "input": _arguments(block)}
        return {**self.begun(block), "thinking" if block.kind is BlockKind.REASONING else "text": block.text}

    def begun(self, block: Block) -> Json:
        """A block that says nothing yet."""
        if block.kind is BlockKind.TEXT:
            return {"type": "text", "text": ""}
        if block.kind is BlockKind.REASONING:
            return {"type": "thinking", "thinking": "", "signature": ""}
        if block.number not in self._call_ids:
            self._call_ids[block.number] = block.call_id or f"toolu_{uuid.uuid4().hex}"
        return {"type": "tool_use", "id": self._call_ids[block.number], "name": block.name, "input": {}}


def ending_of(choice: ChoiceDelta | None, blocks: Sequence[Block]) -> Json:
    """Why an answer ended, in this API's words."""
    finish = choice.finish_reason if choice is not None else None
    if finish is not None and finish in _CUT:
        return {"stop_reason": _CUT[finish], "stop_sequence": None}
    if finish == "tool_calls" or any(block.kind is BlockKind.CALL for block in blocks):
        return {"stop_reason": "tool_use", "stop_sequence": None}
    if choice is not None and isinstance(choice.stop_reason, str):
        return {"stop_reason": "stop_sequence", "stop_sequence": choice.stop_reason}
    return {"stop_reason": "end_turn", "stop_sequence": None}


def was_cut(choice: ChoiceDelta) -> bool:
    """Whether an answer ended before its end, so that its last call may not be whole."""
    return choice.finish_reason in _CUT


def usage_of(usage: Mapping[str, Any] | None) -> Json:
    """The count of tokens: what was read from the cache is counted by itself."""
    usage = usage or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    prompt = usage.get("prompt_tokens") or 0
    return {
        "input_tokens": max(0, prompt - cached),
        "output_tokens": usage.get("completion_tokens") or 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
    }


def is_whole(block: Block) -> bool:
    """Whether a call's arguments are an object."""
    try:
        _arguments(block)
    except UnvalidatedError:
        return False
    return True


def _arguments(block: Block) -> Json:
    try:
        arguments = _decoder.decode(block.text or "{}")
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise UnvalidatedError(f"the model called `{block.name}` with arguments that are no JSON object; ask again")
    return arguments
