"""A linear model over words and pieces of words: what labels look like without any language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from postil.registry.training.data.libraries import SUSPECTS, require

FOLDS = 5
# Any characters between blanks, so that no text is without words.
_WORD = r"(?u)\S+"


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """For each row (by its number in ``rows``) the probabilities of ``labels``, from a model that did not see it."""

    rows: tuple[int, ...]
    labels: tuple[str, ...]
    probabilities: np.ndarray[Any, np.dtype[np.float64]]
    given: np.ndarray[Any, np.dtype[np.int64]]


def linear_model() -> Any:
    """Return an untrained model: TF-IDF of words and characters, and logistic regression."""
    require(SUSPECTS[:1], "the linear model")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    return make_pipeline(make_union(words, letters), LogisticRegression(C=10, solver="newton-cg"))


def out_of_fold(texts: Sequence[str], labels: Sequence[str], groups: Sequence[int]) -> OutOfFold | None:
    """Return what models say of rows they did not learn; None where too few labels have rows in five groups.

    Rows of one group are in one fold. Labels with too few groups are left out. Raises TuneExtraMissingError.
    """
    spread = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    rows = [number for number, label in enumerate(labels) if spread[label] >= FOLDS]
    known = sorted({labels[number] for number in rows})
    if len(known) < 2:
        return None
    model = linear_model()
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    given = np.array([known.index(labels[number]) for number in rows])
    probabilities = cross_val_predict(
        model,
        [texts[number] for number in rows],
        given,
        groups=[groups[number] for number in rows],
        cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0),
        method="predict_proba",
    )
    return OutOfFold(tuple(rows), tuple(known), probabilities, given)
