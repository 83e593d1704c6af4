"""Labelled messages: one ``{"instruction", "input", "output"}`` per line; the output is JSON with one field.

A line may have a ``history`` too: the turns before the input, each with ``role`` and ``content``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from postil.registry.errors import DatasetError
from postil.registry.text import spelling

KEYS = ("instruction", "input", "output")
HISTORY, ROLES = "history", ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled message; ``line`` is its line number in the file, from 1, ``history`` the turns before it.

    A turn is its role and its text.
    """

    instruction: str
    message: str
    label: str
    line: int
    history: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """Return the texts without case, spacing and ways of encoding; messages with equal keys count as the same."""
        return tuple(spelling(text.casefold()) for _, text in (*self.history, ("user", self.message)))


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file of examples: the common output ``field``, its ``labels`` in order, and the file's digest."""

    path: Path
    examples: tuple[Example, ...]
    field: str
    labels: tuple[str, ...]
    digest: str


def load(path: Path) -> Dataset:
    """Read ``path``. Raises DatasetError with file, line and remedy."""
    raw = _read(path)
    rows = [_row(path, number, line) for number, line in enumerate(raw.split("\n"), start=1) if line.strip()]
    if not rows:
        raise DatasetError(f"{path} holds no example; write one JSON object per line with {_quoted(KEYS)}")
    examples = tuple(example for _, example in rows)
    _refuse_contradictions(path, examples)
    _refuse_twins(path, examples)
    labels = tuple(sorted({example.label for example in examples}))
    if len(labels) == 1:
        raise DatasetError(f"{path} holds only the label {labels[0]!r}; add examples of at least one other")
    digest = "sha256:" + hashlib.sha256(raw.encode()).hexdigest()
    return Dataset(path, examples, _one_field(path, rows), labels, digest)


def check_apart(training: Dataset, validation: Dataset) -> None:
    """Refuse a validation set with another field, unknown labels or training messages. Raises DatasetError."""
    if training.field != validation.field:
        raise DatasetError(
            f"{validation.path} answers with {validation.field!r}, {training.path} with {training.field!r};"
            " use one field in both"
        )
    unknown = set(validation.labels) - set(training.labels)
    twins = {_key(label): label for label in training.labels}
    for label in sorted(unknown):
        if twin := twins.get(_key(label)):
            raise DatasetError(
                f"{validation.path} has the label {label!a} and {training.path} has {twin!a}, which differ only"
                " in case, blanks or the encoding of letters; write them in one way"
            )
    if unknown:
        raise DatasetError(
            f"{validation.path} has the label {min(unknown)!r}, which {training.path} never shows;"
            " add training examples of it"
        )
    seen = {example.key: example.line for example in training.examples}
    for example in validation.examples:
        if example.key in seen:
            _refuse(
                validation.path,
                example.line,
                f"the input also occurs in {training.path}, line {seen[example.key]}",
                "take it out of one of the two",
            )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check the path") from error


def _row(path: Path, number: int, line: str) -> tuple[str, Example]:
    """Return the output's field and the example of one line."""
    values = _object(line.removeprefix("\ufeff"))  # As where files with such a mark were put together.
    if values is None:
        _refuse(path, number, "this is not a JSON object", f"write one object per line with {_quoted(KEYS)}")
    for key in KEYS:
        if key not in values:
            _refuse(path, number, f"the key {key!r} is missing", f"every line needs {_quoted(KEYS)}")
        if not _is_text(values[key]):
            _refuse(path, number, f"{key!r} is not a text", "put it in quotes; the output too is a JSON text")
    if not values["input"].strip():
        _refuse(path, number, "the input is empty", "write the message or delete the line")
    answer = _object(values["output"])
    if answer is None or len(answer) != 1 or not all(_is_text(v) and v for v in answer.values()):
        _refuse(path, number, "the output is not a JSON object of one field", 'write such as {"category": "billing"}')
    [(field, label)] = answer.items()
    history = _history(path, number, values.get(HISTORY) or [])
    return field, Example(values["instruction"].strip(), values["input"].strip(), label, number, history)


def _history(path: Path, number: int, turns: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(turns, list) or not all(map(_is_turn, turns)):
        remedy = f'write each turn as {{"role": ..., "content": ...}}, with a role of {_quoted(ROLES)}'
        _refuse(path, number, "the history is not a list of turns", remedy)
    return tuple((turn["role"], turn["content"]) for turn in turns)


def _is_turn(turn: object) -> bool:
    return isinstance(turn, dict) and turn.get("role") in ROLES and _is_text(turn.get("content"))


def _is_text(value: object) -> bool:
    """Whether it is a text without halves of pairs, which no tokenizer takes."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _object(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object in ``text``, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_contradictions(path: Path, examples: Iterable[Example]) -> None:
    seen: dict[tuple[str, ...], Example] = {}
    for example in examples:
        first = seen.setdefault(example.key, example)
        if first.label != example.label:
            _refuse(
                path,
                example.line,
                f"the input is {example.label!r} here and {first.label!r} in line {first.line}",
                "keep the right one",
            )


def _refuse_twins(path: Path, examples: Iterable[Example]) -> None:
    """Refuse labels that people take for one: the adapter would have to tell them apart."""
    seen: dict[str, Example] = {}
    for example in examples:
        first = seen.setdefault(_key(example.label), example)
        if first.label != example.label:
            _refuse(
                path,
                example.line,
                f"the label {example.label!a} differs from {first.label!a} in line {first.line} only in case,"
                " blanks or the encoding of letters",
                "write it in one way",
            )


def _key(label: str) -> str:
    return spelling(label).casefold()


def _one_field(path: Path, rows: Iterable[tuple[str, Example]]) -> str:
    fields: dict[str, int] = {}
    for field, example in rows:
        fields.setdefault(field, example.line)
    (first, _), *others = fields.items()
    if others:
        field, line = others[0]
        _refuse(path, line, f"the output has {field!r}, earlier lines have {first!r}", "use one field in all")
    return first


def _refuse(path: Path, line: int, wrong: str, remedy: str) -> NoReturn:
    raise DatasetError(f"{path}, line {line}: {wrong}; {remedy}")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
