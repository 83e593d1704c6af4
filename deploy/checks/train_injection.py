"""Train the classifier of ``injection``: ``python -m deploy.checks.train_injection`` writes its weights.

Logistic regression over hashed words. It learns from the eight grammars beside this (four of attacks, four of what is
harmless), from the check's development set and from the demo's training data, which is what people say to a clinic, a
bank and a law firm. The same seed gives the same file.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from postil.plugins.recognition import word_model
from postil.plugins.recognition.folding import plain
from postil.plugins.recognition.injection_concepts import Concepts
from postil.plugins.recognition.word_model import BUCKETS, SCALE, features, windows, words_of

ROOT = Path(__file__).parents[2]
SET = ROOT / "tests" / "plugins" / "builtin" / "sets" / "injection_dev.jsonl"
DEMO = ("healthcare/triage", "legal/clause", "finance/intent")
OUT = Path(word_model.__file__).with_name("injection.weights")
EACH, EPOCHS, RATE, DECAY = 120, 4, 0.1, 1e-3
# What is as likely as not is let pass: of harmless texts about one in fifty is above this, held out of training.
LEAST_LOGIT = 0.75
_SLOT = re.compile(r"\{(\w+)\}")
GRAMMARS = Path(__file__).with_name("grammars")
ATTACKS = ("attacks", "ways", "more", "places")
HARMLESS = ("harmless", "everyday", "plain", "houses")
CONCEPTS = Concepts()
Floats = npt.NDArray[np.float64]


def filled(template: str, slots: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    """A template with something in each of its slots; those of no name are dropped."""
    text = template
    while (slot := _SLOT.search(text)) is not None:
        text = text[: slot.start()] + (draw.choice(slots[slot[1]]) if slot[1] in slots else "") + text[slot.end() :]
    return draw.choice(
        (text, text, text.capitalize(), text + ".", text + "!", text.upper() if draw.random() < 0.1 else text)
    )


def examples(draw: random.Random) -> Iterator[tuple[str, int]]:
    """The texts to learn from, and whether each is an attack."""
    for name, label in (*((one, 1) for one in ATTACKS), *((one, 0) for one in HARMLESS)):
        grammar = json.loads((GRAMMARS / f"{name}.json").read_text(encoding="utf-8"))
        slots = grammar["slots"]
        for template in grammar["templates"]:
            yield from ((filled(template, slots, draw), label) for _ in range(EACH if "{" in template else 15))
        for text in grammar["foreign"]:
            yield from ((filled(text, slots, draw), label) for _ in range(12))
    for row in map(json.loads, SET.read_text(encoding="utf-8").splitlines()):
        yield from ((row["text"], int(row["attack"])) for _ in range(10))
    for name in DEMO:
        for row in map(json.loads, (ROOT / "deploy/demo" / name / "train.jsonl").read_text("utf-8").splitlines()):
            yield from ((row["input"], 0) for _ in range(2))


def numbers(text: str) -> npt.NDArray[np.int64]:
    """The features of a text's first window."""
    start, end = next(windows(len(words := words_of(plain(text)))))
    return np.array([one for some in features(words[start:end], CONCEPTS) for one in some], dtype=np.int64)


def trained(draw: random.Random) -> tuple[Floats, float]:
    """The weights and the bias, by stochastic gradient descent with a rate for each weight."""
    rows = [(numbers(text), label) for text, label in examples(draw)]
    weights, squares = np.zeros(BUCKETS), np.full(BUCKETS, 1e-2)
    bias = 0.0
    for epoch in range(EPOCHS):
        draw.shuffle(rows)
        for some, label in rows:
            wrong = 1 / (1 + np.exp(-(weights[some].sum() + bias))) - label
            step = wrong + DECAY * weights[some]
            squares[some] += step * step
            weights[some] -= RATE * step / np.sqrt(squares[some])
            bias -= 0.02 / (1 + epoch) * wrong
    return weights, bias


def main() -> None:
    """Write the weights, in whole numbers of one byte."""
    weights, bias = trained(random.Random(13))
    whole = np.clip(np.rint(weights * SCALE), -127, 127).astype(np.int8)
    data = int(np.rint((bias - LEAST_LOGIT) * SCALE)).to_bytes(4, "big", signed=True) + zlib.compress(
        whole.tobytes(), 9
    )
    OUT.write_bytes(data)
    print(f"{OUT.name}: {len(data):,} bytes, bias {bias:.2f}, {np.count_nonzero(whole):,} weights")


if __name__ == "__main__":
    main()
