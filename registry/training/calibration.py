"""How far a label's probability can be believed: temperature scaling, fitted on answers that training never saw.

After Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017), for the question that is
asked when an answer is served: is this label right, or any other? Of the label's odds ``p / (1 - p)`` the root of
degree ``temperature`` is taken. The targets are smoothed as in Platt, "Probabilistic Outputs for Support Vector
Machines" (1999), so that answers which are all right do not ask for certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from postil.plugins.builtin.confidence import HOTTEST, LEAST, calibrated, log_odds

# With fewer answers than these there is nothing to fit, and probabilities stay as they are.
FEWEST = 20
_FOLDS = 5
_BINS = 10
Answered = Sequence[tuple[float, bool]]


class Calibration(BaseModel):
    """The ``temperature``, and what it does to probabilities, on answers that each figure's fit has not seen.

    It is 1, which changes nothing, where the one that was fitted does not lower the log-loss of such answers.
    ``log_loss`` is in nats per answer; ``error`` the expected calibration error over ten bins of as many answers each,
    0 to 1. ``raw`` ones are without the temperature. All of them are None where there were too few answers.
    """

    model_config = ConfigDict(frozen=True)

    temperature: float = 1.0
    answers: int
    raw_log_loss: float | None = None
    log_loss: float | None = None
    raw_error: float | None = None
    error: float | None = None


def calibrate(answered: Answered) -> Calibration:
    """Fit on (probability of the label, whether it was right); figures by cross-validation."""
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
    """The temperature of the least log-loss, within what the validator takes."""
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
    """Mean of -log of the probability that was given to what came true."""
    chances = [chance if right else 1 - chance for chance, right in answered]
    return -sum(math.log(max(chance, 1e-12)) for chance in chances) / len(chances)


def expected_error(answered: Answered) -> float:
    """Mean distance between what was said and what came true, over bins of as many answers each."""
    rows = [(chance, share) for chance, share, count in _shares(answered) for _ in range(count)]
    edges = [len(rows) * n // _BINS for n in range(_BINS + 1)]
    parts = [rows[low:high] for low, high in pairwise(edges)]
    return sum(abs(sum(chance - share for chance, share in part)) for part in parts) / len(rows)


def _shares(answered: Answered) -> list[tuple[float, float, int]]:
    """Each probability in order, the share of it that was right, how often: those alike have no order among them."""
    outcomes: dict[float, list[bool]] = {}
    for chance, right in answered:
        outcomes.setdefault(chance, []).append(right)
    return [(chance, sum(rights) / len(rights), len(rights)) for chance, rights in sorted(outcomes.items())]


def _slope(rows: Sequence[tuple[float, float]], inverse: float) -> float:
    """Of the log-loss, over 1 / temperature."""
    return sum(odds * (1 / (1 + math.exp(-odds * inverse)) - target) for odds, target in rows)
