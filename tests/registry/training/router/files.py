"""Files of rows for routers."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.registry.training.data.files import FILLERS, labelled, write

TOPICS = {
    "finance": ("card", "refund", "loan", "balance", "transfer"),
    "legal": ("contract", "lease", "clause", "court", "notice"),
    "none": ("weather", "banana", "penguin", "recipe", "football"),
}


def texts(model: str, count: int, seed: int = 0) -> list[str]:
    """Texts that differ, each with two words of its model."""
    chance = random.Random(f"{model} {seed}")
    made = []
    for _ in range(count):
        words = [*chance.choices(FILLERS, k=5), *chance.choices(TOPICS[model], k=2), f"{chance.randrange(10**6):06}"]
        chance.shuffle(words)
        made.append(" ".join(words))
    return made


def named(folder: Path, count: int = 60, models: tuple[str, ...] = tuple(TOPICS), seed: int = 0) -> list[str]:
    """A file for each model, named as the command takes it."""
    found = []
    for model in models:
        path = write(folder / f"{model}-{seed}.jsonl", *({"text": text} for text in texts(model, count, seed)))
        found.append(f"{model}={path}")
    return found


def mixed(path: Path, count: int = 60, *, reject: str = "none") -> Path:
    """One file whose labels are models."""
    rows = [(text, model) for model in TOPICS for text in texts(model, count)]
    return write(path, *(labelled(text, reject if model == "none" else model) for text, model in rows))


def words_file(path: Path) -> Path:
    """The words of the router ``keywords``: only some of those that texts have."""
    path.write_text(json.dumps({"finance": ["card", "loan"], "legal": ["lease"]}))
    return path
