"""What one row of data is to a method: a conversation, a text, a pair of answers or an answer that was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postil.registry.errors import DatasetError

Turn = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns of (role, content); the assistant's are learned."""

    turns: tuple[Turn, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A text, learned from its first to its last token."""

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
_NEEDS = {
    "sft": "instruction/input/output, messages or prompt/completion",
    "text": "text",
    "dpo": "prompt/chosen/rejected",
    "kto": "prompt/completion/label",
}


def read_sample(method: str, row: Mapping[str, Any], line: int) -> Sample:
    """Return a row as ``method`` learns it. Raises DatasetError with the line, if the row is of another kind."""
    try:
        sample = _READERS[method](row, line)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"line {line}: --method {method} learns from rows with {_NEEDS[method]}, and this one has"
            f" {', '.join(sorted(row)) or 'nothing'}; bring it into that form"
        ) from error
    return sample


def _chat(row: Mapping[str, Any], line: int) -> Sample:
    if "messages" in row:
        return Chat(_turns(row["messages"]), line)
    if "completion" in row:
        return Chat((*_turns(row["prompt"]), ("assistant", _answer(row["completion"]))), line)
    told, asked = _text(row["instruction"]), _text(row.get("input") or "")
    # As the fast path has it: an instruction with a message is the system's. Alone, it is what is asked.
    history = _turns(row["history"]) if row.get("history") else ()
    before = (("system", told), *history, ("user", asked)) if told and asked else (*history, ("user", asked or told))
    return Chat((*before, ("assistant", _text(row["output"]))), line)


def _plain(row: Mapping[str, Any], line: int) -> Sample:
    return Plain(_text(row["text"]), line)


def _pair(row: Mapping[str, Any], line: int) -> Sample:
    if "preferred_output" in row:
        given = row["input"]
        prompt = given["messages"] if isinstance(given, Mapping) else given
        return Pair(_turns(prompt), _answer(row["preferred_output"]), _answer(row["non_preferred_output"]), line)
    return Pair(_turns(row["prompt"]), _answer(row["chosen"]), _answer(row["rejected"]), line)


def _verdict(row: Mapping[str, Any], line: int) -> Sample:
    if not isinstance(row["label"], bool):
        raise TypeError("label")
    return Verdict(_turns(row["prompt"]), _answer(row["completion"]), row["label"], line)


def _turns(value: object) -> tuple[Turn, ...]:
    """Return a prompt as turns; a text is what a user says."""
    if isinstance(value, str):
        return (("user", value),)
    if not isinstance(value, Sequence) or not value:
        raise TypeError("turns")
    return tuple((_text(turn["role"]), _text(turn["content"])) for turn in value)


def _answer(value: object) -> str:
    """Return the text of an answer: one in itself, or the last of its messages."""
    return value if isinstance(value, str) else _turns(value)[-1][1]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


_READERS = {"sft": _chat, "text": _plain, "dpo": _pair, "kto": _verdict}
