"""Reads uploaded training files, and writes them as the trainer takes them: line for line, so that lines keep numbers.

Two forms are read, each line its own: OpenAI's ``{"messages": [...]}`` and ``{"instruction", "input", "output"}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import JobError
from postil.registry.training.dataset import HISTORY, KEYS, ROLES

# So many lines with errors are told.
_TOLD = 50
_MARK = "\ufeff"
_FORMS = '{"messages": [...]} or {"instruction", "input", "output"}'
Row = Mapping[str, Any]


class _LineError(Exception):
    """What is wrong with one line."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file that holds an example; numbers begin with 1."""

    number: int
    row: Row


def read_rows(path: Path, name: str) -> list[Line]:
    """Read a file that is shown as ``name``. Raises JobError, which tells every line with an error, up to 50."""
    found, wrong = [], []
    for number, text in _lines(path, name):
        try:
            found.append(Line(number, _row(text)))
        except _LineError as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        more = f"; and {len(wrong) - _TOLD} more lines" if len(wrong) > _TOLD else ""
        counted = "1 line" if len(wrong) == 1 else f"{len(wrong)} lines"
        raise JobError(f"{name} has {counted} that cannot be used: {'; '.join(wrong[:_TOLD])}{more}", "file")
    if not found:
        raise JobError(f"{name} holds no example; write one JSON object per line, as {_FORMS}", "file")
    return found


def write_rows(lines: Mapping[int, Row], path: Path) -> None:
    """Write examples so that each stands on the line of its number; others are empty."""
    last = max(lines)
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, last + 1):
            file.write(f"{json.dumps(lines[number]) if number in lines else ''}\n")


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.removeprefix(_MARK)
    except UnicodeDecodeError as error:
        raise JobError(f"{name} is not UTF-8 text; save it as UTF-8, one JSON object per line", "file") from error


def _row(text: str) -> Row:
    """One line as ``instruction``, ``input``, ``output`` and ``history``. Raises _LineError."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise _LineError("it is not JSON") from None
    if not isinstance(values, dict):
        raise _LineError(f"it is not a JSON object; write {_FORMS}")
    if "messages" in values:
        return _of_messages(values["messages"])
    return _of_keys(values)


def _of_keys(values: Row) -> Row:
    for key in KEYS:
        if key not in values:
            raise _LineError(f"the key {key!r} is missing; write {_FORMS}")
        if not _is_text(values[key]):
            raise _LineError(f"{key!r} is not a text")
    history = values.get(HISTORY) or []
    if not isinstance(history, list):
        raise _LineError("the history is not a list of turns")
    return {**{key: values[key] for key in KEYS}, HISTORY: [_turn(turn) for turn in history]}


def _of_messages(messages: object) -> Row:
    """OpenAI's form: a system prompt or none, the turns before, the user's last message, and the answer to learn."""
    if not isinstance(messages, list) or not messages:
        raise _LineError("messages is not a list of messages")
    turns = [_turn(message) for message in messages]
    roles = [turn["role"] for turn in turns]
    if roles[-2:] != ["user", "assistant"]:
        raise _LineError("the last two messages are not one of the user and the assistant's answer to it")
    instruction = ""
    if roles[0] == "system":
        instruction, turns = turns[0]["content"], turns[1:]
    *before, question, answer = turns
    return {"instruction": instruction, "input": question["content"], "output": answer["content"], HISTORY: before}


def _turn(message: object) -> dict[str, str]:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise _LineError(f"a message has no role of {', '.join(ROLES)}")
    if not _is_text(message.get("content")):
        raise _LineError(f"the content of a message of the {message['role']} is not a text")
    return {"role": message["role"], "content": message["content"]}


def _is_text(value: object) -> bool:
    """Whether it is a text without halves of pairs, which no tokenizer takes."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
