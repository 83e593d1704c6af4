"""OpenAI's text completions: a request may bring several prompts, and a choice is one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeGuard

import msgspec

from postil.gateway.inference.formats.base import Choice, Part
from postil.gateway.inference.formats.events import ChoiceDelta, ToolCallDelta
from postil.plugins import Completion, Token


class _Tokens(msgspec.Struct):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None


class _Choice(msgspec.Struct):
    index: int
    text: str | None = None
    logprobs: _Tokens | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]


class OpenAIText:
    """``/v1/completions``."""

    id_prefix = "cmpl"
    answer_object = event_object = "text_completion"
    main_text = "text"

    def __init__(self) -> None:
        self.answers: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Answer)
        self.opening: Mapping[str, Any] | None = None

    def put_system_prompt(self, request: dict[str, Any], prompt: str) -> None:
        """There is no place for it: the client's text is all that the model sees."""

    def request_tokens(self, request: dict[str, Any]) -> None:
        """By how many others of each place are wanted: none, unless the client wants some."""
        if request.get("logprobs") is None:
            request["logprobs"] = 0

    def is_batch(self, request: Mapping[str, Any]) -> bool:
        """Whether a request brings a list of prompts, be it of one."""
        return _are_prompts(request.get("prompt"))

    def count_prompts(self, request: Mapping[str, Any]) -> int:
        """Those that are texts or tokens, and those that are embedded already."""
        prompt, embedded = request.get("prompt"), request.get("prompt_embeds")
        texts = len(prompt) if _are_prompts(prompt) else int(prompt is not None)
        return texts + (len(embedded) if isinstance(embedded, list) else int(embedded is not None))

    def completion_of(self, choice: Mapping[str, Any]) -> Completion:
        """A choice, as plugins see it."""
        logprobs = choice.get("logprobs") or {}
        pairs = zip(logprobs.get("tokens") or (), logprobs.get("token_logprobs") or (), strict=False)
        tokens = tuple(Token(text, value if value is not None else 0.0) for text, value in pairs)
        return Completion(choice.get("text") or "", choice.get("finish_reason"), tokens)

    def spoken(self, text: str) -> Choice:
        """The text."""
        return {"text": text}

    def as_delta(self, choice: Mapping[str, Any]) -> ChoiceDelta:
        """A whole choice, as if it had come in one piece. Raises msgspec.ValidationError."""
        return msgspec.convert({**choice, "delta": None}, ChoiceDelta)

    def assembled(self, parts: Sequence[Part]) -> Choice:
        """The parts' texts put together."""
        return {"text": "".join(part["text"] for part in parts)}

    def event_parts(self, choice: Mapping[str, Any]) -> Iterator[Part]:
        """All of it at once."""
        yield {
            "index": choice["index"],
            "text": choice.get("text") or "",
            "logprobs": choice.get("logprobs"),
            "finish_reason": choice.get("finish_reason"),
        }

    def compared(self, choice: Mapping[str, Any]) -> str:
        """The text."""
        return choice.get("text") or ""

    def texts_of(self, piece: ChoiceDelta) -> Iterable[tuple[str, str | None]]:
        """The text."""
        return (("text", piece.text),)

    def tool_calls_of(self, piece: ChoiceDelta) -> Sequence[ToolCallDelta]:
        """A text calls none."""
        return ()

    def part(self, fields: Mapping[str, Any]) -> Part:
        """A piece of text."""
        return {"text": fields.get("text", "")}


def _are_prompts(prompt: Any) -> TypeGuard[list[Any]]:
    """A list of numbers is one prompt, as tokens."""
    return isinstance(prompt, list) and not all(isinstance(token, int) for token in prompt)
