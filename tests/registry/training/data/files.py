"""Files of training data for tests."""

from __future__ import annotations

import json
import random
from pathlib import Path

TOPICS = {
    "symptoms": ["knee", "throat", "rash", "cough", "fever", "ankle", "stomach", "shoulder"],
    "billing": ["invoice", "refund", "price", "charge", "payment", "insurance", "receipt", "fee"],
}
FILLERS = (
    *("please", "tell", "me", "what", "about", "since", "monday", "again", "today", "for", "my", "son", "it", "was"),
    *("never", "so", "bad", "and", "now", "here", "we", "are"),
)


def labelled(message: str, label: str, **more: object) -> dict[str, object]:
    """A row as label training has it."""
    return {"instruction": "Sort.", "input": message, "output": json.dumps({"category": label})} | more


def messages(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Messages with their labels, each label in turn, no two of them near."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        label = sorted(TOPICS)[number % len(TOPICS)]
        words = [*chance.choices(FILLERS, k=6), *chance.choices(TOPICS[label], k=2), f"{chance.randrange(10**6):06}"]
        chance.shuffle(words)
        made.append((" ".join(words), label))
    return made


def write(path: Path, *rows: object) -> Path:
    """Write rows as JSON lines; a text is a line as it is."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def write_labelled(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Write messages with their labels."""
    return write(path, *(labelled(message, label) for message, label in rows))
