"""Labelled messages, as training for labels needs them: each answer is JSON with one field, the same in all.

They are read from any form that says so: ``instruction/input/output``, OpenAI's ``messages``, prompt/completion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import TypeVar

from postil.registry.errors import DatasetError
from postil.registry.text import cut, spelling
from postil.registry.training.data.labels import label_of
from postil.registry.training.data.problems import SHOWN, DataProblemsError, Problem, RowError
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.rows import InstructionRow, Kind, MessagesRow, Row, Turn

KINDS: tuple[Kind, ...] = ("instruction", "messages", "completion")
FORMS = "instruction/input/output, messages or prompt/completion"
T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """A labelled message; ``line`` is its line number in the file, from 1, ``history`` the turns before it.

    A turn is its role and its text. ``origin`` says where the row comes from, if it says so, and how it was varied.
    """

    instruction: str
    message: str
    label: str
    line: int
    history: tuple[tuple[str, str], ...] = ()
    origin: str = ""

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Return the texts without case, spacing and ways of encoding; messages with equal keys count as the same."""
        return tuple(spelling(text.casefold()) for _, text in (*self.history, ("user", self.message)))


@dataclass(frozen=True, slots=True)
class Labelled:
    """Examples with their fields, the first faults of the rows by their lines, and how many faults there are."""

    found: list[tuple[str, Example]]
    problems: list[Problem]
    total: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file of examples: the common output ``field``, its ``labels`` in order, and the file's digest."""

    path: Path
    examples: tuple[Example, ...]
    field: str
    labels: tuple[str, ...]
    digest: str


def load(path: Path) -> Dataset:
    """Read ``path``. Raises DatasetError with file, line and remedy of all that is wrong."""
    file = read_rows(path)
    if file.kind not in KINDS:
        raise DatasetError(f"{path} holds {file.form}, which has no labels; labels are learned from {FORMS}")
    read = labelled(file.rows)
    examples = tuple(example for _, example in read.found)
    if read.problems:
        raise DataProblemsError(path, read.problems, read.total, file.unit)
    labels = tuple(sorted({example.label for example in examples}))
    if len(labels) == 1:
        raise DatasetError(f"{path} holds only the label {labels[0]!r}; add examples of at least one other")
    return Dataset(path, examples, read.found[0][0], labels, file.digest)


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
            what = f"the input also occurs in {training.path}, line {seen[example.key]}"
            raise DatasetError(Problem(example.line, what, "take it out of one of the two").said(validation.path))


def example_of(row: Row) -> tuple[str, Example]:
    """Return the output's field and the example of a row. Raises RowError: no label, or not learned."""
    field, label = label_of(row)
    if isinstance(row, MessagesRow) and not row.messages[-1].trained:
        raise RowError("the answer has weight 0, so it is not learned", "take the weight out or delete the line")
    instruction, message, history = _asked(row)
    if not message.strip():
        raise RowError("the input is empty", "write the message or delete the line")
    turns = tuple((turn.role, turn.content) for turn in history)
    return field, Example(instruction.strip(), message.strip(), label, row.line, turns, _origin(row))


def _origin(row: Row) -> str:
    """Where a row comes from, and in which way it was varied: ``review``, ``varied (keyboard)``."""
    way = row.raw.get("varied_by")
    return f"{row.origin} ({way})" if row.origin and isinstance(way, str) else row.origin


def labelled(rows: Iterable[Row]) -> Labelled:
    """Return the examples with their fields, and what is wrong with them, in the order of their lines."""
    found: list[tuple[str, Example]] = []
    wrong: list[tuple[int, RowError]] = []
    for row in rows:
        try:
            found.append(example_of(row))
        except RowError as error:
            wrong.append((row.line, error))
    examples = [example for _, example in found]
    parts = (
        _said(iter(wrong), _unreadable),
        _said(_contradictions(examples), _contradiction),
        _said(_twins(examples), _twin),
        _said(_other_fields(found), _other_field),
    )
    problems = sorted((one for part, _ in parts for one in part), key=lambda problem: problem.line)
    return Labelled(found, problems[:SHOWN], sum(total for _, total in parts))


def _asked(row: Row) -> tuple[str, str, Sequence[Turn]]:
    """The instruction, the message and the turns between them; a conversation begins with its instructions."""
    if isinstance(row, InstructionRow):
        return row.instruction, row.input, row.history
    turns = row.messages[:-1] if isinstance(row, MessagesRow) else getattr(row, "prompt", "")
    if isinstance(turns, str):
        return "", turns, ()
    if turns[-1].role != "user":
        raise RowError("the message before the answer is not the user's", "end what is asked with the user's message")
    own = sum(1 for _ in takewhile(lambda turn: turn.role == "system", turns))
    return "\n\n".join(turn.content for turn in turns[:own]), turns[-1].content, turns[own:-1]


def _said(faults: Iterator[T], say: Callable[[T], Problem]) -> tuple[list[Problem], int]:
    """Put the first faults into words, and count all: a file may have one in every line."""
    said = [say(fault) for fault in islice(faults, SHOWN)]
    return said, len(said) + sum(1 for _ in faults)


def _unreadable(fault: tuple[int, RowError]) -> Problem:
    line, error = fault
    return Problem(line, error.what, error.remedy)


def _contradictions(examples: Iterable[Example]) -> Iterator[tuple[Example, Example]]:
    seen: dict[tuple[str, ...], Example] = {}
    for example in examples:
        first = seen.setdefault(example.key, example)
        if first.label != example.label:
            yield example, first


def _contradiction(fault: tuple[Example, Example]) -> Problem:
    example, first = fault
    what = f"the input is {cut(example.label)!r} here and {cut(first.label)!r} in line {first.line}"
    return Problem(example.line, what, "keep the right one")


def _twins(examples: Iterable[Example]) -> Iterator[tuple[Example, Example]]:
    """Labels that people take for one: the adapter would have to tell them apart."""
    seen: dict[str, Example] = {}
    keys: dict[str, str] = {}
    for example in examples:
        key = keys.get(example.label) or keys.setdefault(example.label, _key(example.label))
        first = seen.setdefault(key, example)
        if first.label != example.label:
            yield example, first


def _twin(fault: tuple[Example, Example]) -> Problem:
    example, first = fault
    what = f"the label {cut(example.label)!a} differs from {cut(first.label)!a} in line {first.line} only in case,"
    return Problem(example.line, f"{what} blanks or the encoding of letters", "write it in one way")


def _key(label: str) -> str:
    return spelling(label).casefold()


def _other_fields(found: Sequence[tuple[str, Example]]) -> Iterator[tuple[str, Example, str]]:
    for field, example in found:
        if field != found[0][0]:
            yield field, example, found[0][0]


def _other_field(fault: tuple[str, Example, str]) -> Problem:
    field, example, first = fault
    what = f"the output has {cut(field)!r}, earlier lines have {cut(first)!r}"
    return Problem(example.line, what, "use one field in all")
