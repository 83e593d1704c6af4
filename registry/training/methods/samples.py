"""What one row of data is to a method: a conversation, a text, a pair of answers or an answer that was judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postil.registry.errors import DatasetError
from postil.registry.training.data.rows import (
    CompletionRow,
    FeedbackRow,
    InstructionRow,
    MessagesRow,
    PreferenceRow,
    Prompt,
    Row,
    TextRow,
    Turn,
)


@dataclass(frozen=True, slots=True)
class Chat:
    """The turns of a conversation; the assistant's are learned."""

    turns: tuple[Turn, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A text, learned from its second to its last token."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt with a better and a worse answer."""

    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str
    line: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A prompt with one answer, and whether it is a good one."""

    prompt: tuple[Turn, ...]
    answer: str
    good: bool
    line: int


Sample = Chat | Plain | Pair | Verdict


def sample_of(method: str, row: Row) -> Sample:
    """Return a row as ``method`` learns it. Raises DatasetError if the row is of another kind."""
    needs, reader = _READERS[method]
    sample = reader(row)
    if sample is None:
        raise DatasetError(f"--method {method} learns from rows with {needs}, and these are of another form")
    return sample


def answered(prompt: tuple[Turn, ...], answer: str, line: int) -> Chat:
    """Return a prompt with its answer as a conversation of which only that answer is learned."""
    before = tuple(Turn(turn.role, turn.content, trained=False) for turn in prompt)
    return Chat((*before, Turn("assistant", answer)), line)


def is_learned(turn: Turn) -> bool:
    """Return whether a turn is an answer from which something is learned."""
    return turn.role == "assistant" and turn.trained and bool(turn.content.strip())


def _chat(row: Row) -> Sample | None:
    match row:
        case MessagesRow():
            return Chat(row.messages, row.line)
        case CompletionRow():
            return answered(_prompt(row.prompt), row.completion, row.line)
        case InstructionRow():
            return answered(_instructed(row), row.output, row.line)
    return None


def _instructed(row: InstructionRow) -> tuple[Turn, ...]:
    """The turns before the answer; an instruction with an input is the system's, as in the fast path."""
    told, asked = row.instruction.strip(), row.input.strip()
    if told and asked:
        return (Turn("system", told), *row.history, Turn("user", asked))
    return (*row.history, Turn("user", asked or told))


def _plain(row: Row) -> Sample | None:
    return Plain(row.text, row.line) if isinstance(row, TextRow) else None


def _pair(row: Row) -> Sample | None:
    if not isinstance(row, PreferenceRow):
        return None
    return Pair(_prompt(row.prompt), row.chosen, row.rejected, row.line)


def _verdict(row: Row) -> Sample | None:
    if not isinstance(row, FeedbackRow):
        return None
    return Verdict(_prompt(row.prompt), row.completion, row.label, row.line)


def _prompt(prompt: Prompt) -> tuple[Turn, ...]:
    """A prompt as turns; a text is what a user says, because that is how the gateway is asked."""
    return (Turn("user", prompt),) if isinstance(prompt, str) else prompt


_READERS: Mapping[str, tuple[str, Callable[[Row], Sample | None]]] = {
    "sft": ("instruction/input/output, messages or prompt/completion", _chat),
    "text": ("text", _plain),
    "dpo": ("prompt/chosen/rejected", _pair),
    "kto": ("prompt/completion/label", _verdict),
}
