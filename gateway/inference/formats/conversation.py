"""Puts the turns of another API's request together to a chat's messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.body_limits import MOST_MESSAGES

_INSTRUCTIONS = ("system", "developer")
# As long as names and ids of a chat may be.
_NAME = 128


class Conversation:
    """A chat's messages as they are put together; ``param`` is the field that they come from."""

    def __init__(self, param: str) -> None:
        self._param = param
        self._messages: list[dict[str, Any]] = []
        self._thoughts: list[str] = []

    def say(self, role: str, texts: Sequence[str]) -> None:
        """A message of texts. Raises BadRequestError where there are too many."""
        content: Any = [{"type": "text", "text": text} for text in texts]
        if len(texts) < 2:
            content = texts[0] if texts else ""
        self._add({"role": role, "content": content})

    def think(self, text: str) -> None:
        """What the assistant thought before its next message."""
        self._thoughts.append(text)

    def call(self, place: str, identity: Any, name: Any, arguments: str) -> None:
        """A tool that the assistant calls, in one message with what it said before. Raises BadRequestError."""
        if not _is_name(name) or not _is_name(identity):
            raise self.refused(f"{place} has to have a name and an id of the call, of 1 to {_NAME} characters")
        if not self._messages or self._messages[-1]["role"] != "assistant" or self._thoughts:
            self._add({"role": "assistant", "content": None})
        calls = self._messages[-1].setdefault("tool_calls", [])
        calls.append({"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}})

    def result(self, place: str, identity: Any, texts: Sequence[str]) -> None:
        """What a tool said. Raises BadRequestError."""
        if not _is_name(identity):
            raise self.refused(f"{place} has to have the id of a call, of 1 to {_NAME} characters")
        self._add({"role": "tool", "tool_call_id": identity, "content": "\n".join(texts)})

    def messages(self, instructions: str | None) -> list[dict[str, Any]]:
        """All of them, after the instructions: templates take one message of the system, at the start."""
        own = 0
        while own < len(self._messages) and self._messages[own]["role"] in _INSTRUCTIONS:
            own += 1
        if not own and instructions is None:
            return self._messages
        told = [instructions] if instructions is not None else []
        told += [_text(message["content"]) for message in self._messages[:own]]
        return [{"role": "system", "content": "\n\n".join(told)}, *self._messages[own:]]

    def refused(self, text: str) -> BadRequestError:
        """The error of what cannot be taken."""
        return BadRequestError(text, param=self._param)

    def _add(self, message: dict[str, Any]) -> None:
        if len(self._messages) == MOST_MESSAGES:  # One that is sent may have many in it.
            raise self.refused(f"{self._param} has more than {MOST_MESSAGES} messages, calls and results; send fewer")
        if self._thoughts and message["role"] == "assistant":
            message["reasoning"] = "\n".join(self._thoughts)
        self._thoughts = []
        self._messages.append(message)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def _is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= _NAME
