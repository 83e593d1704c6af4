"""Rows of training data: one frozen class for each kind, whatever form and file they were read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Kind = Literal["instruction", "messages", "completion", "preference", "feedback", "text"]
Role = Literal["system", "user", "assistant"]
# The origin of rows that ``postil data vary`` made of others.
VARIED = "varied"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; ``trained`` is False where OpenAI's ``weight`` is 0."""

    role: Role
    content: str
    trained: bool = True


# A text, or the messages of a conversation. A text is what a user says.
Prompt = str | tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ABC):
    """What all rows have: their ``line`` (from 1) and the values as they were read, other keys included."""

    kind: ClassVar[Kind]
    line: int
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """Where the row comes from, such as ``varied`` or ``review``; empty where the file does not say."""
        origin = self.raw.get("origin")
        return origin if isinstance(origin, str) else ""

    @property
    @abstractmethod
    def asked(self) -> str:
        """The text that the model is asked, without instructions and earlier turns; for text, the text."""

    @property
    def answer(self) -> str:
        """The text that the model should give; empty where the row has none."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionRow(Row):
    """An instruction, an input, which may be empty, the output, and the turns before the input."""

    kind: ClassVar[Kind] = "instruction"
    instruction: str
    input: str
    output: str
    history: tuple[Turn, ...] = ()

    @property
    def asked(self) -> str:
        """The input, or the instruction where there is none."""
        return self.input if self.input.strip() else self.instruction

    @property
    def answer(self) -> str:
        """The output."""
        return self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRow(Row):
    """A conversation as OpenAI's ``messages``, which ends with a message of the assistant."""

    kind: ClassVar[Kind] = "messages"
    messages: tuple[Turn, ...]

    @property
    def asked(self) -> str:
        """The user's last message."""
        return last_asked(self.messages[:-1])

    @property
    def answer(self) -> str:
        """The assistant's last message."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptedRow(Row):
    """A row with a prompt."""

    prompt: Prompt

    @property
    def asked(self) -> str:
        """The prompt, or the user's last message in it."""
        return last_asked(self.prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRow(PromptedRow):
    """A prompt and its completion."""

    kind: ClassVar[Kind] = "completion"
    completion: str

    @property
    def answer(self) -> str:
        """The completion."""
        return self.completion


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceRow(PromptedRow):
    """A prompt with a better and a worse answer, for DPO."""

    kind: ClassVar[Kind] = "preference"
    chosen: str
    rejected: str

    @property
    def answer(self) -> str:
        """The better answer."""
        return self.chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRow(PromptedRow):
    """A prompt, an answer, and whether the answer is wanted, for KTO."""

    kind: ClassVar[Kind] = "feedback"
    completion: str
    label: bool

    @property
    def answer(self) -> str:
        """The answer, wanted or not."""
        return self.completion


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow(Row):
    """Plain text, to be learned as it stands."""

    kind: ClassVar[Kind] = "text"
    text: str

    @property
    def asked(self) -> str:
        """The text."""
        return self.text


def last_asked(prompt: Prompt) -> str:
    """The text itself, or the last message of the user, or of anybody where no user speaks."""
    if isinstance(prompt, str):
        return prompt
    said = [turn.content for turn in prompt if turn.role == "user"] or [turn.content for turn in prompt]
    return said[-1] if said else ""


def turns_of(row: Row) -> tuple[Turn, ...]:
    """All that a row says, as a conversation: what is asked, and the (better) answer at its end."""
    if isinstance(row, MessagesRow):
        return row.messages
    if isinstance(row, TextRow):
        return (Turn("assistant", row.text),)
    if isinstance(row, InstructionRow):
        system = (Turn("system", row.instruction),) if row.instruction.strip() and row.input.strip() else ()
        return (*system, *row.history, Turn("user", row.asked), Turn("assistant", row.output))
    assert isinstance(row, PromptedRow), "there are no other kinds"
    asked = (Turn("user", row.prompt),) if isinstance(row.prompt, str) else row.prompt
    return (*asked, Turn("assistant", row.answer))


def compared(row: Row) -> str:
    """The text by which rows are compared: all that is asked, without instructions; for text, the text."""
    turns = turns_of(row) if isinstance(row, TextRow) else turns_of(row)[:-1]
    said = [turn.content for turn in turns if turn.role != "system"] or [row.asked]
    return "\n".join(said)
