"""Calibrates label probabilities by temperature scaling, fitted on answers that were not used in training.

After Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017), for the binary question
whether the label is right. The calibrated odds are the label's odds ``p / (1 - p)`` raised to ``1 / temperature``. The
targets are smoothed as in Platt, "Probabilistic Outputs for Support Vector Machines" (1999), so that answers that are
all right do not lead to certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from postil.plugins.builtin.confidence import HOTTEST, LEAST, calibrated, log_odds

# With fewer answers there is no fit, and probabilities stay as they are.
FEWEST = 20
_FOLDS = 5
_BINS = 10
Answered = Sequence[tuple[float, bool]]


class Calibration(BaseModel):
    """The ``temperature``, and its effect on probabilities, each figure measured on answers outside its fit.

    The temperature is 1, which changes nothing, unless the fitted one lowers the log-loss of such answers. ``log_loss``
    is in nats per answer; ``error`` is the expected calibration error over ten bins of equally many answers, 0 to 1.
    ``raw`` figures are without the temperature. All figures are None if there were too few answers.
    """

    model_config = ConfigDict(frozen=True)

    temperature: float = 1.0
    answers: int
    raw_log_loss: float | None = None
    log_loss: float | None = None
    raw_error: float | None = None
    error: float | None = None


def calibrate(answered: Answered) -> Calibration:
    """Fit on pairs (probability of the label, whether it was right); figures come from cross-validation."""
    if len(answered) < FEWEST:
        return Calibration(answers=len(answered))
    plugin_host: list[tuple[float, bool]] = []
    for fold in range(_FOLDS):
        temperature = fit([pair for at, pair in enumerate(answered) if at % _FOLDS != fold])
        plugin_host += [(calibrated(chance, temperature), right) for chance, right in answered[fold::_FOLDS]]
    before, after = log_loss(answered), log_loss(plugin_host)
    return Calibration(
        temperature=round(fit(answered), 3) if after < before else 1.0,
        answers=len(answered),
        raw_log_loss=round(before, 4),
        log_loss=round(after, 4),
        raw_error=round(expected_error(answered), 4),
        error=round(expected_error(plugin_host), 4),
    )


def fit(answered: Answered) -> float:
    """Return the temperature with the least log-loss, within the range that the validator accepts."""
    right = sum(good for _, good in answered)
    wrong = len(answered) - right
    targets = {True: (right + 1) / (right + 2), False: 1 / (wrong + 2)}
    rows = [(log_odds(chance), targets[good]) for chance, good in answered]
    coldest, hottest = math.log(LEAST), math.log(HOTTEST)
    # The loss is convex in 1 / temperature, so its slope changes sign once.
    for _ in range(60):
        middle = (coldest + hottest) / 2
        if _slope(rows, 1 / math.exp(middle)) > 0:
            coldest = middle
        else:
            hottest = middle
    return math.exp((coldest + hottest) / 2)


def log_loss(answered: Answered) -> float:
    """Return the mean negative log-likelihood of the outcomes, in nats."""
    chances = [chance if right else 1 - chance for chance, right in answered]
    return -sum(math.log(max(chance, 1e-12)) for chance in chances) / len(chances)


def expected_error(answered: Answered) -> float:
    """Return the mean distance between probability and frequency, over bins of equally many answers."""
    rows = [(chance, share) for chance, share, count in _shares(answered) for _ in range(count)]
    edges = [len(rows) * n // _BINS for n in range(_BINS + 1)]
    parts = [rows[low:high] for low, high in pairwise(edges)]
    return sum(abs(sum(chance - share for chance, share in part)) for part in parts) / len(rows)


def _shares(answered: Answered) -> list[tuple[float, float, int]]:
    """Return sorted (probability, share that was right, count); equal probabilities are merged."""
    outcomes: dict[float, list[bool]] = {}
    for chance, right in answered:
        outcomes.setdefault(chance, []).append(right)
    return [(chance, sum(rights) / len(rights), len(rights)) for chance, rights in sorted(outcomes.items())]


def _slope(rows: Sequence[tuple[float, float]], inverse: float) -> float:
    """Return the derivative of the log-loss with respect to 1 / temperature."""
    return sum(odds * (1 / (1 + math.exp(-odds * inverse)) - target) for odds, target in rows)
