"""OpenAI's chat completions: a choice is a message, which may say more than its content, and call tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from postil.gateway.inference.formats.base import Choice, Part
from postil.gateway.inference.formats.events import ChoiceDelta, ToolCallDelta
from postil.plugins import Completion, Token

# What a message can say beside its content.
BESIDE = ("reasoning", "reasoning_content", "refusal")
_TEXTS = (*BESIDE, "content")


_INSTRUCTIONS = ("system", "developer")


class _Token(msgspec.Struct):
    token: str
    logprob: float


class _Tokens(msgspec.Struct):
    content: list[_Token] | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    index: int
    message: _Message
    logprobs: _Tokens | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]


class OpenAIChat:
    """``/v1/chat/completions``."""

    id_prefix = "chatcmpl"
    answer_object = "chat.completion"
    event_object = "chat.completion.chunk"
    main_text = "content"

    def __init__(self) -> None:
        self.answers: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Answer)
        self.opening: Mapping[str, Any] | None = {"role": "assistant", "content": ""}

    def put_system_prompt(self, request: dict[str, Any], prompt: str) -> None:
        """Before all messages, in one with the client's own instructions: templates take one, at the start."""
        messages = request["messages"]
        own = 0
        while own < len(messages) and messages[own]["role"] in _INSTRUCTIONS:
            own += 1
        told = "\n\n".join([prompt, *(_text(message["content"]) for message in messages[:own])]) if own else prompt
        request["messages"] = [{"role": "system", "content": told}, *messages[own:]]

    def request_tokens(self, request: dict[str, Any]) -> None:
        """By a flag."""
        request["logprobs"] = True

    def is_batch(self, request: Mapping[str, Any]) -> bool:
        """A request is one conversation."""
        return False

    def count_prompts(self, request: Mapping[str, Any]) -> int:
        """A request is one conversation."""
        return 1

    def completion_of(self, choice: Mapping[str, Any]) -> Completion:
        """A choice, as plugins see it."""
        message = choice.get("message") or {}
        content = (choice.get("logprobs") or {}).get("content") or ()
        return Completion(
            message.get("content") or "",
            choice.get("finish_reason"),
            tuple(Token(token["token"], token["logprob"]) for token in content),
            message.get("tool_calls") or (),
        )

    def spoken(self, text: str) -> Choice:
        """A message with nothing but its content."""
        return {"message": {"role": "assistant", "content": text}}

    def as_delta(self, choice: Mapping[str, Any]) -> ChoiceDelta:
        """A whole choice, as if it had come in one piece. Raises msgspec.ValidationError."""
        message = dict(choice.get("message") or {})
        message["tool_calls"] = [{**call, "index": at} for at, call in enumerate(message.get("tool_calls") or ())]
        return msgspec.convert({**choice, "delta": message}, ChoiceDelta)

    def assembled(self, parts: Sequence[Part]) -> Choice:
        """A message whose texts and tool calls are the parts' put together."""
        message: dict[str, Any] = {"role": "assistant", "content": None}
        calls: dict[int, dict[str, Any]] = {}
        for delta in (part["delta"] for part in parts):
            for key in _TEXTS:
                if delta.get(key):
                    message[key] = (message.get(key) or "") + delta[key]
            for call in delta.get("tool_calls", ()):
                known = calls.setdefault(call["index"], {"function": {"arguments": ""}})
                arguments = known["function"]["arguments"] + call["function"]["arguments"]
                function = {**known["function"], **call["function"], "arguments": arguments}
                known |= {**call, "function": function}
        for call in calls.values():
            del call["index"]
        return {"message": message | ({"tool_calls": list(calls.values())} if calls else {})}

    def event_parts(self, choice: Mapping[str, Any]) -> Iterator[Part]:
        """The role, then all that is said, then the end."""
        message, index = choice["message"], choice["index"]
        yield {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        delta: dict[str, Any] = {}
        if message.get("content"):
            delta["content"] = message["content"]
        if message.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
        if delta:
            yield {"index": index, "delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": None}
        yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}

    def compared(self, choice: Mapping[str, Any]) -> str:
        """The content, and the tools that are called; their ids are made by chance and say nothing."""
        message = choice.get("message") or choice.get("delta") or {}
        calls = [call.get("function") or {} for call in message.get("tool_calls") or ()]
        called = "".join(f"{call.get('name') or ''}{call.get('arguments') or ''}" for call in calls)
        return (message.get("content") or "") + called

    def texts_of(self, piece: ChoiceDelta) -> Iterable[tuple[str, str | None]]:
        """The content and what is said beside it."""
        delta = piece.delta
        return () if delta is None else [(key, getattr(delta, key)) for key in _TEXTS]

    def tool_calls_of(self, piece: ChoiceDelta) -> Sequence[ToolCallDelta]:
        """Those of the message."""
        return () if piece.delta is None else piece.delta.tool_calls or ()

    def part(self, fields: Mapping[str, Any]) -> Part:
        """A piece of a message."""
        return {"delta": dict(fields)}


def _text(content: Any) -> str:
    """The text of a message, whose parts are texts."""
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return content or ""
