"""The texts that the classifier of ``emergency`` learns from: written by scenario, made by grammar, and varied."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITTEN = Path(__file__).with_name("emergency")
GRAMMARS = Path(__file__).with_name("grammars")
SET = ROOT / "tests" / "plugins" / "builtin" / "sets" / "emergency_dev.jsonl"
DEMO = ("healthcare/triage", "legal/clause", "finance/intent")
_SLOT = re.compile(r"\{([a-z0-9 ]+)\}")
_MARKS = re.compile(r"[.,!?']")
_ENDS = ("!", "!!", "?", ".", "...")


@dataclass(frozen=True, slots=True)
class Example:
    """A text, whether somebody is in danger in it, what it counts for, and the scenario that it belongs to."""

    text: str
    danger: int
    weight: float
    scenario: str


def written() -> Iterator[Example]:
    """What was written by hand: a scenario a section, a text a line, with ``+`` where somebody is in danger."""
    for file in sorted(WRITTEN.glob("*.txt")):
        scenario = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                scenario = f"{file.stem}: {line[1:-1]}"
            elif line[:2] in ("+ ", "- "):
                yield Example(line[2:], int(line[0] == "+"), 1.0, scenario)


def development() -> Iterator[Example]:
    """The development set of the check."""
    for row in map(json.loads, SET.read_text(encoding="utf-8").splitlines()):
        yield Example(row["text"], int(row["danger"]), 1.0, "development")


def ordinary() -> Sequence[str]:
    """What people ordinarily write to a clinic, a law firm and a bank: the demo's messages."""
    files = (ROOT / "deploy" / "demo" / name / "train.jsonl" for name in DEMO)
    return [json.loads(line)["input"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def made(each: int, draw: random.Random, weight: float) -> Iterator[Example]:
    """So many of each sentence of the grammar, with something in each of its slots."""
    slots = _slots()
    for label, name in ((1, "danger"), (0, "harmless")):
        lines = (GRAMMARS / f"emergency_{name}.txt").read_text(encoding="utf-8").splitlines()
        for template in lines:
            filled = {_filled(template, slots, draw) for _ in range(each)}
            yield from (Example(text, label, weight, "grammar") for text in sorted(filled))


def varied(text: str, draw: random.Random) -> str:
    """As somebody types it on a phone: other capitals, fewer marks, a slip of the finger."""
    case = draw.random()
    if case < 0.35:
        text = text.lower()
    elif case < 0.38:
        text = text.upper()
    if draw.random() < 0.25:
        text = _MARKS.sub("", text)
    if draw.random() < 0.15:
        text += draw.choice(_ENDS)
    words = text.split()
    if words and draw.random() < 0.25:
        at = draw.randrange(len(words))
        words[at] = _mistyped(words[at], draw)
    return " ".join(words)


def _mistyped(word: str, draw: random.Random) -> str:
    """A letter left out, said twice, or in the place of the next."""
    if len(word) < 4:
        return word
    at, kind = draw.randrange(1, len(word) - 1), draw.randrange(3)
    inside = ("", word[at + 1] + word[at], word[at] * 2)[kind]
    return word[:at] + inside + word[at + (2 if kind == 1 else 1) :]


def _slots() -> Mapping[str, Sequence[str]]:
    slots: dict[str, list[str]] = {}
    name = ""
    for line in (GRAMMARS / "emergency_slots.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line[1:-1]
            slots[name] = []
        elif line and not line.startswith("#"):
            slots[name] += [one.strip() for one in line.split("|")]
    return slots


def _filled(template: str, slots: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    text = template
    while (slot := _SLOT.search(text)) is not None:
        text = text[: slot.start()] + draw.choice(slots[slot[1]]) + text[slot.end() :]
    return re.sub(r"\s+([.,?])", r"\1", " ".join(text.split())).strip(" ,")
