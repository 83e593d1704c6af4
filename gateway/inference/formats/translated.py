"""What an API of other shapes than OpenAI's completions has to say of itself: how it is translated to a chat and back.

Inside, its requests are chats: routed, checked, judged and counted as those, by the same code. A new one is a package
beside this, and its line in ``formats.TRANSLATED``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec

from postil.gateway.inference.formats.events import ChoiceDelta
from postil.gateway.inference.formats.other_fields import OtherField


class ChatAnswer(msgspec.Struct):
    """A whole chat answer, as a client of chats would get it."""

    choices: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    model: str = ""
    created: int = 0
    usage: dict[str, Any] | None = None
    postil: dict[str, Any] | None = None


class ChatEvent(msgspec.Struct):
    """An event of a chat's stream, as a client of chats would get it; ``error`` ends a stream that broke off."""

    choices: list[ChoiceDelta] = []
    model: str = ""
    created: int = 0
    usage: dict[str, Any] | None = None
    postil: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class NamedEvent(NamedTuple):
    """An event as it is written: its name, and its content as JSON."""

    name: str
    content: Mapping[str, Any]


class EventWriter(Protocol):
    """One stream in an API's own events. Each method returns the events that are due."""

    def take(self, event: ChatEvent) -> Sequence[NamedEvent]:
        """An event of the chat."""

    def end(self) -> Sequence[NamedEvent]:
        """The chat is complete."""

    def fail(self, error: Mapping[str, Any]) -> Sequence[NamedEvent]:
        """The chat broke off; ``error`` is as in OpenAI's shape."""


class Translation(Protocol):
    """One request of another API."""

    @property
    def chat(self) -> dict[str, Any]:
        """The request as a chat's."""

    def answer(self, answer: ChatAnswer, choice: ChoiceDelta) -> Mapping[str, Any]:
        """The chat's answer, with its one choice, in the API's own shape.

        Raises UnvalidatedError where that has no place for it.
        """

    def events(self, *, held: bool) -> EventWriter:
        """What writes a stream. ``held``: checks hold texts back, so that one may go on after another has begun."""


class TranslatedFormat(Protocol):
    """An API whose requests are translated."""

    @property
    def path(self) -> str:
        """Where it is asked."""

    @property
    def fields(self) -> Mapping[str, OtherField]:
        """What is done with each field of a request."""

    @property
    def required(self) -> Sequence[str]:
        """The fields without which there is no request."""

    @property
    def needs_limit(self) -> bool:
        """Whether each request has to bound its answer: then a bound above what may be is as good as none."""

    @property
    def renamed(self) -> Mapping[str, str]:
        """What this API calls the fields of a chat that it calls otherwise."""

    def translate(self, body: dict[str, Any]) -> Translation:
        """Translate a request. Raises BadRequestError."""
