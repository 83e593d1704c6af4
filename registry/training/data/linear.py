"""A linear model over words and pieces of words: what labels look like without any language model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postil.registry.training.data.libraries import SUSPECTS, require

if TYPE_CHECKING:
    import numpy as np

FOLDS = 5
# Not tuned: the usual choice for TF-IDF, whose features are small.
_PENALTY = 10.0
# What scikit-learn takes for a word.
_WORD = re.compile(r"\b\w\w+\b")


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """For each row (by its number in ``rows``) the probabilities of ``labels``, from a model that did not see it."""

    rows: tuple[int, ...]
    labels: tuple[str, ...]
    probabilities: np.ndarray[Any, np.dtype[np.float64]]
    given: np.ndarray[Any, np.dtype[np.int64]]


def linear_model(*learned: Sequence[str]) -> Any:
    """Return an untrained model: logistic regression over TF-IDF of words, pairs of words and 2 to 5 characters.

    ``learned`` are the texts that it will be fitted to, once or more: where one fit would see no word at all, words are
    left out. It takes some seconds for 2,000 rows on a CPU, and gives the same result each time. Raises
    TuneExtraMissingError.
    """
    require(SUSPECTS[:1], "the linear model")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    parts = [TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)]
    if all(any(map(_WORD.search, texts)) for texts in learned):
        parts.insert(0, TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True))
    return make_pipeline(make_union(*parts), LogisticRegression(C=_PENALTY, max_iter=1000))


def out_of_fold(texts: Sequence[str], labels: Sequence[str], groups: Sequence[int]) -> OutOfFold | None:
    """Return what models say of rows they did not learn; None where too few labels have rows in five groups.

    Rows of one group are in one fold. Labels with too few groups are left out. Raises TuneExtraMissingError.
    """
    spread = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    rows = [number for number, label in enumerate(labels) if spread[label] >= FOLDS]
    known = sorted({labels[number] for number in rows})
    if len(known) < 2:
        return None
    require(SUSPECTS[:1], "the linear model")
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    chosen, given = [texts[number] for number in rows], np.array([known.index(labels[number]) for number in rows])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    parts = list(folds.split(chosen, given, [groups[number] for number in rows]))
    model = linear_model(*([chosen[number] for number in learned] for learned, _ in parts))
    probabilities = cross_val_predict(model, chosen, given, cv=parts, method="predict_proba")
    return OutOfFold(tuple(rows), tuple(known), probabilities, given)
