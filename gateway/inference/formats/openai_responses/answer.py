"""Writes a chat's answer as a response: the object, and the items that it holds."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from postil.gateway.inference.formats.blocks import Block, BlockKind

Json = dict[str, Any]
COMPLETED, INCOMPLETE, IN_PROGRESS = "completed", "incomplete", "in_progress"
# Why an answer ended before its end, by a chat's reason for it.
_REASONS: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_PREFIXES = {BlockKind.TEXT: "msg", BlockKind.CALL: "fc", BlockKind.REASONING: "rs"}


class ResponseObject:
    """The response to one request: what it echoes, its id, and the ids of its items, which stay the same."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._asked = asked
        self._id = f"resp_{uuid.uuid4().hex}"
        self._item_ids: dict[int, str] = {}
        # What the engine or the gateway says of the answer.
        self.model = str(asked.get("model") or "")
        self.created = 0

    def write(self, status: str, output: Sequence[Json], **more: Any) -> Json:
        """The object, with these items."""
        asked = self._asked
        reasoning, form = asked.get("reasoning", {}), asked.get("text", {}).get("format")
        self.created = self.created or int(time.time())
        return {
            "id": self._id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "metadata": asked.get("metadata", {}),
            "model": self.model,
            "output": output,
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.get("effort"), "summary": None},
            "store": False,
            "temperature": asked.get("temperature"),
            "text": {"format": form or {"type": "text"}},
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": asked.get("tools", []),
            "top_p": asked.get("top_p"),
            "truncation": "disabled",
            "usage": None,
            "user": asked.get("user"),
            **more,
        }

    def ended(self, output: Sequence[Json], finish_reason: str | None, usage: Mapping[str, Any] | None) -> Json:
        """The object of a complete answer, or of one that was cut off."""
        reason = _REASONS.get(finish_reason or "")
        more: Json = {"usage": usage_of(usage)}
        if reason is None:
            return self.write(COMPLETED, output, completed_at=int(time.time()), **more)
        return self.write(INCOMPLETE, output, incomplete_details={"reason": reason}, **more)

    def item(self, block: Block, status: str) -> Json:
        """A block as an item: with all that it says, or with nothing where it is in progress."""
        item_id = self.item_id(block)
        if block.kind is BlockKind.CALL:
            said = {"name": block.name, "arguments": "" if status == IN_PROGRESS else block.text}
            return {"id": item_id, "type": "function_call", "status": status, "call_id": self.call_id(block), **said}
        content = [] if status == IN_PROGRESS else [part_of(block, block.text)]
        if block.kind is BlockKind.REASONING:
            return {"id": item_id, "type": "reasoning", "summary": [], "content": content, "status": status}
        return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}

    def item_id(self, block: Block) -> str:
        """The id of a block's item."""
        if block.number not in self._item_ids:
            self._item_ids[block.number] = f"{_PREFIXES[block.kind]}_{uuid.uuid4().hex}"
        return self._item_ids[block.number]

    def call_id(self, block: Block) -> str:
        """The id of a call, by which its result is known: the engine's, if it gave one."""
        return block.call_id or self.item_id(block).replace("fc_", "call_", 1)


def part_of(block: Block, text: str) -> Json:
    """The one part of a message or of thoughts."""
    if block.kind is BlockKind.REASONING:
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def item_status(finish_reason: str | None, *, last: bool) -> str:
    """The status of an item that is done: only the last one can have been cut off."""
    return INCOMPLETE if last and finish_reason in _REASONS else COMPLETED


def is_complete(finish_reason: str | None) -> bool:
    """Whether an answer was not cut off."""
    return finish_reason not in _REASONS


def usage_of(usage: Mapping[str, Any] | None) -> Json | None:
    """The count of tokens, in this API's words."""
    if usage is None:
        return None
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": prompt + completion,
    }
