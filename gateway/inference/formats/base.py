"""What a wire format has to say of itself: all that differs between the endpoints at which answers are asked for.

Inside, a request is its JSON, an answer is its choices, and a choice has texts under their names. A format says how
these are written on its wire; the rest of the gateway does not look. A new one is a file beside this, and its line in
``formats.FORMATS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

import msgspec

from postil.gateway.inference.formats.events import ChoiceDelta, ToolCallDelta
from postil.plugins import Completion

# A choice of a whole answer, and a part of one in a stream's event.
Choice = dict[str, Any]
Part = dict[str, Any]


class Kind(Enum):
    """Which of OpenAI's two generation endpoints was asked."""

    CHAT = "/v1/chat/completions"
    TEXT = "/v1/completions"

    # Members are single objects, and looked up by several times in each request: Enum's own hash is of their names.
    __hash__ = object.__hash__


class WireFormat(Protocol):
    """One endpoint's requests, answers and events."""

    @property
    def id_prefix(self) -> str:
        """How the ids of answers begin."""

    @property
    def answer_object(self) -> str:
        """What a whole answer calls itself."""

    @property
    def event_object(self) -> str:
        """What each event of a stream calls itself."""

    @property
    def main_text(self) -> str:
        """The name of the text that is the answer; a choice may have others beside it."""

    @property
    def answers(self) -> msgspec.json.Decoder[Any]:
        """What is read of a whole answer, in its shape."""

    # Requests.

    def put_system_prompt(self, request: dict[str, Any], prompt: str) -> None:
        """Put a release's prompt before what the client sent, where there is a place for it."""

    def request_tokens(self, request: dict[str, Any]) -> None:
        """Have the engine tell the probability of each token."""

    def is_batch(self, request: Mapping[str, Any]) -> bool:
        """Whether a request brings a list of prompts, be it of one."""

    def count_prompts(self, request: Mapping[str, Any]) -> int:
        """How many prompts a request brings."""

    # Whole answers.

    def completion_of(self, choice: Mapping[str, Any]) -> Completion:
        """A choice, as plugins see it."""

    def spoken(self, text: str) -> Choice:
        """The fields of a choice that says this text, and nothing else."""

    def as_delta(self, choice: Mapping[str, Any]) -> ChoiceDelta:
        """A whole choice, as if it had come in one piece. Raises msgspec.ValidationError."""

    def assembled(self, parts: Sequence[Part]) -> Choice:
        """The fields of a choice whose parts are these, as a client would put them together."""

    def event_parts(self, choice: Mapping[str, Any]) -> Iterator[Part]:
        """A whole choice as the parts of a stream's events."""

    def compared(self, choice: Mapping[str, Any]) -> str:
        """What a choice, or a part of one, says and calls, to be compared with another's."""

    # Streams.

    @property
    def opening(self) -> Mapping[str, Any] | None:
        """What the first part of each choice says before any text, if it has to say something."""

    def texts_of(self, piece: ChoiceDelta) -> Iterable[tuple[str, str | None]]:
        """The texts in a piece of a choice, by their names."""

    def tool_calls_of(self, piece: ChoiceDelta) -> Sequence[ToolCallDelta]:
        """The pieces of tool calls in it."""

    def part(self, fields: Mapping[str, Any]) -> Part:
        """The fields of a part that says this: texts by their names, and tool calls."""
