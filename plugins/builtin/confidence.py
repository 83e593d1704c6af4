"""``confidence``: the model gave its label enough probability.

The probability of the label is the product of the probabilities of the tokens that spell it, the closing quote
included: where one label begins another (``bill``, ``billing``), it is the quote that decides. vLLM reports these after
the output constraint, so they say how the model divides itself between the values that are allowed, and not how far it
would rather say something else: an adapter that was trained with a value for that (``reject``) can say so.

A model that is right in nine of ten answers may give them all a probability of 0.99. ``postil train`` and ``postil
evaluate`` measure that on validation data and keep a ``temperature`` in ``training.json``; it is recorded with the
release and in force here unless the policy names another. The method is that of Guo et al., "On Calibration of Modern
Neural Networks" (ICML 2017), on the odds of the label against all else, which are what an answer's tokens show.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, RequestContext, Token, Verdict

_STRING = r'"(?:[^"\\]|\\.)*"'
_PAIR = re.compile(rf"({_STRING})\s*:\s*({_STRING})")
# The temperatures that are taken; and how sure a model can be, so that odds stay finite.
LEAST, HOTTEST = 0.05, 20.0
_SURE = 1e-12


class ConfidenceConfig(Config):
    """``minimum``: the least probability, 0 to 1; ``field``: the measured key; ``reject``: the value for none.

    ``temperature`` corrects the probability before it is compared: above 1 for a model that is too sure of itself. The
    one that was fitted when the adapter was evaluated is in force if none is given; 1 changes nothing.
    """

    minimum: Annotated[float, Field(ge=0, le=1)] = 0.5
    temperature: Annotated[float, Field(ge=LEAST, le=HOTTEST)] = 1.0
    field: str = "category"
    reject: str | None = None


class Confidence(Validator):
    """Passes an answer whose label is not ``reject`` and has at least ``minimum`` probability."""

    name = "confidence"
    Config = ConfidenceConfig
    cost = Cost(ascii=0.1, other=0.1)
    needs_tokens = True

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail where the probability is too small, or where the tokens do not show it."""
        probability = label_probability(completion, self.config.field)
        if probability is None:
            return Verdict.failed("the probability of the label cannot be read")
        probability = calibrated(probability, self.config.temperature)
        if self.config.reject is not None and json.loads(completion.text)[self.config.field] == self.config.reject:
            return Verdict.failed(f"{self.config.reject} has more probability ({probability:.2f}) than any label")
        if probability < self.config.minimum:
            return Verdict.failed(f"probability {probability:.2f} is below {self.config.minimum:.2f}")
        return Verdict.passed()


def log_odds(probability: float) -> float:
    """``log(p / (1 - p))``, of a probability that is neither 0 nor 1."""
    probability = min(max(probability, _SURE), 1 - _SURE)
    return math.log(probability) - math.log1p(-probability)


def calibrated(probability: float, temperature: float) -> float:
    """A label's probability, 0 to 1, after temperature scaling of its odds against all else."""
    if temperature == 1:
        return probability
    return 1 / (1 + math.exp(-log_odds(probability) / temperature))


def label_probability(completion: Completion, field: str = "category") -> float | None:
    """Probability of the value of ``field`` in a JSON answer, 0 to 1, or None if it cannot be found."""
    try:
        value = json.loads(completion.text)[field]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(value, str) or not value or not completion.tokens:
        return None
    span = _span(completion.text, field, value)
    return _probability(completion.tokens, *span) if span else None


def _span(text: str, field: str, value: str) -> tuple[int, int] | None:
    """Where ``value`` stands in ``text``, with the quote that ends it, however the model escaped it."""
    for pair in reversed(list(_PAIR.finditer(text))):
        if _read(pair[1]) == field and _read(pair[2]) == value:
            return pair.start(2) + 1, pair.end(2)
    return None


def _read(quoted: str) -> str:
    """A JSON string; most have nothing in them that stands for something else."""
    return str(json.loads(quoted)) if "\\" in quoted else quoted[1:-1]


def _probability(tokens: Sequence[Token], start: int, end: int) -> float | None:
    """Product over the tokens that share a character with ``start`` to ``end``.

    A character may take several tokens: the engine tells its text with the last of them, and none with the others.
    """
    position, total, begun, seen = 0, 0.0, 0.0, False
    for token in tokens:
        begun += token.logprob
        if not token.text:
            continue
        if position < end and position + len(token.text) > start:
            total += begun
            seen = True
        position, begun = position + len(token.text), 0.0
    return math.exp(total) if seen else None


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``confidence``."""
    return [Confidence]
