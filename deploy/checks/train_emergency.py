"""Train the classifier of ``emergency``: ``python -m deploy.checks.train_emergency`` writes its weights.

Logistic regression over hashed words, parts of words and concepts. It learns from the texts in ``emergency/``, which
were written by scenario, from a grammar, from the check's development set and from the demo's messages. Scores of texts
whose whole scenario was held out say where an alarm begins. The same seed gives the same file.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from deploy.checks.emergency_texts import Example, development, made, ordinary, varied, written
from postil.plugins.builtin.emergency import Emergency
from postil.plugins.recognition import danger_model
from postil.plugins.recognition.danger_model import SCALE, windows
from postil.plugins.recognition.folding import plain
from postil.plugins.recognition.word_features import BUCKETS, Concepts, features, words_of
from postil.registry.training.router.hashed import matrix, rarity

OUT = Path(danger_model.__file__).with_name("emergency.weights")
SEED, FOLDS, STRENGTH = 14, 5, 10.0
COPIES, MADE = 2, 30
# Of harmless texts whose scenario is held out, at most so many raise an alarm. They were written to look like danger:
# of the check's test set, which has easier ones too, it is a third of that.
MOST_ALARMS = 0.03
CONCEPTS = Concepts("emergency_concepts.txt")
Floats = npt.NDArray[np.float64]
Known = dict[str, list[npt.NDArray[np.int64]]]


def numbers(text: str, known: Known) -> list[npt.NDArray[np.int64]]:
    """The features of each window of a text."""
    if text not in known:
        found = features(words_of(plain(text)), CONCEPTS)
        known[text] = [
            np.array([one for some in found[start:end] for one in some], dtype=np.int64)
            for start, end in windows(len(found))
        ]
    return known[text]


def examples(own: Sequence[Example], draw: random.Random) -> Iterator[Example]:
    """Texts to learn from: those that were written, copies of them with slips and in longer letters, and the rest."""
    calm = ordinary()
    yield from own
    for one in own:
        for _ in range(COPIES):
            yield Example(varied(one.text, draw), one.danger, 0.4, one.scenario)
        around = draw.choice(calm)
        text = f"{around} {one.text}" if draw.random() < 0.5 else f"{one.text} {around}"
        yield Example(varied(text, draw), one.danger, 0.3, one.scenario)
    for one in made(MADE, draw, 0.15):
        yield Example(varied(one.text, draw), one.danger, one.weight, one.scenario)
    yield from (Example(text, 0, 0.25, "demo") for text in calm)


def trained(own: Sequence[Example], known: Known) -> tuple[Floats, float]:
    """Weights and bias. Of a text in danger only the window counts in which most speaks for it."""
    some = list(examples(own, random.Random(SEED)))
    weights, bias = np.zeros(BUCKETS), 0.0
    for turn in range(2):
        rows: list[npt.NDArray[np.int64]] = []
        labels: list[int] = []
        counts: list[float] = []
        for one in some:
            parts = numbers(one.text, known)
            if one.danger:
                parts = [max(parts, key=lambda part: _sum(part, weights))] if turn else parts[:1]
            rows += parts
            labels += [one.danger] * len(parts)
            counts += [one.weight] * len(parts)
        found = matrix(rows, BUCKETS)
        rare = rarity(found)
        model = LogisticRegression(C=STRENGTH, max_iter=500, solver="liblinear", random_state=SEED)
        model.fit(found @ sp.diags(rare), labels, sample_weight=counts)
        weights, bias = model.coef_[0] * rare, float(model.intercept_[0])
    return weights, bias


def _sum(part: npt.NDArray[np.int64], weights: Floats) -> float:
    return float(weights[part].sum() / np.sqrt(max(len(part), 1)))


def score(text: str, weights: Floats, bias: float, known: Known) -> float:
    """As ``DangerModel.score``, before the weights are whole numbers."""
    return bias + max(_sum(part, weights) for part in numbers(text, known))


def held_out(own: Sequence[Example], always: Sequence[Example], known: Known) -> Floats:
    """The score of each text from a model that has not seen its scenario."""
    scores = np.zeros(len(own))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for learnt, left in folds.split(own, groups=[one.scenario for one in own]):
        weights, bias = trained([own[at] for at in learnt] + list(always), known)
        scores[left] = [score(own[at].text, weights, bias, known) for at in left]
    return scores


def main() -> None:
    """Say how good it is on scenarios that it has not seen, and write the weights."""
    own, always, known = list(written()), list(development()), Known()
    labels = np.array([one.danger for one in own])
    scores = held_out(own, always, known)
    least = float(np.quantile(scores[labels == 0], 1 - MOST_ALARMS))
    report(own, labels, scores, least)
    weights, bias = trained(own + always, known)
    whole = np.clip(np.rint(weights * SCALE), -127, 127).astype(np.int8)
    start = int(np.rint((bias - least) * SCALE)).to_bytes(4, "big", signed=True)
    OUT.write_bytes(start + zlib.compress(whole.tobytes(), 9))
    print(f"{OUT.name}: {OUT.stat().st_size:,} bytes, {np.count_nonzero(whole):,} weights, an alarm from {least:.2f}")


def report(own: Sequence[Example], labels: npt.NDArray[np.int64], scores: Floats, least: float) -> None:
    """Print what is found of scenarios that were held out, alone and with the wordings."""
    check: Emergency = Emergency.from_mapping({})
    told = np.array([bool(check.wordings(one.text)) for one in own])
    print(
        f"{labels.sum()} in danger, {(labels == 0).sum()} not; area under the curve {roc_auc_score(labels, scores):.3f}"
    )
    for name, found in (("wordings", told), ("classifier", scores > least), ("both", told | (scores > least))):
        print(f"{name}: {found[labels == 1].mean():.1%} found, {found[labels == 0].mean():.1%} false alarms")


if __name__ == "__main__":
    main()
