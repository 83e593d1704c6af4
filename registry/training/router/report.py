"""How good a router is on rows that it did not learn, beside a router by keywords on the same rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from postil.plugins.builtin.keywords import Keywords
from postil.plugins.errors import ConfigError
from postil.plugins.recognition.router_model import READ, RouterModel
from postil.plugins.statistics.paired import Pairs, difference_interval, mcnemar
from postil.plugins.statistics.shares import wilson
from postil.plugins.types import RoutingRequest
from postil.registry.errors import DatasetError
from postil.registry.training.data.report import Frozen
from postil.registry.training.router.rows import NONE, RouterData, RouterRow
from postil.registry.training.statistics.promise import Promise

# So many texts are timed.
_TIMED = 200


class ModelFigures(Frozen):
    """The rows of one model, and where they were sent; ``none`` is where the router sends them nowhere."""

    model: str
    rows: int
    right: int
    accuracy: float
    interval: tuple[float, float]
    sent: dict[str, int]


class Figures(Frozen):
    """A router's choices: right is the row's model, or none for a row of none.

    ``wrong`` were sent to a model that is not theirs, ``abstained`` to none.
    """

    rows: int
    right: int
    accuracy: float
    interval: tuple[float, float]
    wrong: int
    abstained: int
    models: tuple[ModelFigures, ...]


class BesideKeywords(Frozen):
    """The same rows by keywords; the difference is how much more often the trained router is right."""

    keywords: Figures
    only_keywords: int
    only_router: int
    difference: float
    interval: tuple[float, float]
    p: float


class Threshold(Frozen):
    """Where the threshold comes from: of ``sent`` calibration texts ``wrong`` went to a wrong model.

    ``promised`` is whether the share of these is at most ``error``, with ``confidence``; ``bound`` is what it is.
    """

    threshold: float
    promised: bool
    error: float
    confidence: float
    sent: int
    wrong: int
    bound: float


class RouterReport(Frozen):
    """What ``postil train-router`` prints."""

    file: str
    digest: str
    bytes: int
    models: tuple[str, ...]
    learned: int
    threshold: Threshold
    figures: Figures
    keywords: BesideKeywords | None
    microseconds: float
    microseconds_longest: float


def measure(
    model: RouterModel,
    data: RouterData,
    found: Promise,
    *,
    wanted: tuple[float, float],
    words: Mapping[str, Any] | None,
    file: str,
    size: int,
) -> RouterReport:
    """Measure a router on ``data.held_out``, and time it. Raises DatasetError for keywords that are none."""
    rows = data.held_out
    chosen = [choose(model, row.text) for row in rows]
    return RouterReport(
        file=file,
        digest=model.file.digest,
        bytes=size,
        models=tuple(one or NONE for one in model.file.models),
        learned=len(data.train),
        threshold=_threshold(model.file.threshold, found, *wanted),
        figures=figures_of(rows, chosen),
        keywords=None if words is None else beside(rows, chosen, by_keywords(words, rows)),
        microseconds=_microseconds(model, [row.text for row in rows]),
        microseconds_longest=_microseconds(model, [_longest(row.text) for row in rows]),
    )


def by_keywords(words: Mapping[str, Any], rows: Sequence[RouterRow]) -> list[str | None]:
    """What the router ``keywords`` chooses for each row. Raises DatasetError."""
    try:
        router = Keywords.from_mapping({"words": words})
    except ConfigError as error:
        raise DatasetError(f"the words are none for the router: {error}") from error
    domains = tuple({model.partition("/")[0] for model in words})
    return [router.route(RoutingRequest("", domains, {"prompt": row.text})) for row in rows]


def choose(model: RouterModel, text: str) -> str | None:
    """The model that a router sends a text to, or None."""
    choice = model.choose(text)
    return choice.model if choice.sure else None


def _threshold(threshold: float, found: Promise, error: float, confidence: float) -> Threshold:
    return Threshold(
        threshold=threshold,
        promised=found.minimum is not None,
        error=error,
        confidence=confidence,
        sent=found.answered,
        wrong=found.wrong,
        bound=found.bound,
    )


def figures_of(rows: Sequence[RouterRow], chosen: Sequence[str | None]) -> Figures:
    """The figures of choices for rows."""
    pairs = [(row.model, one) for row, one in zip(rows, chosen, strict=True)]
    right = sum(model == one for model, one in pairs)
    models = sorted({model for model, _ in pairs}, key=lambda model: (model is None, model or ""))
    return Figures(
        rows=len(pairs),
        right=right,
        accuracy=right / len(pairs),
        interval=wilson(right, len(pairs)),
        wrong=sum(one is not None and model != one for model, one in pairs),
        abstained=sum(one is None for _, one in pairs),
        models=tuple(_of_model(model, [one for given, one in pairs if given == model]) for model in models),
    )


def _of_model(model: str | None, chosen: Sequence[str | None]) -> ModelFigures:
    right, sent = sum(one == model for one in chosen), Counter(one or NONE for one in chosen)
    return ModelFigures(
        model=model or NONE,
        rows=len(chosen),
        right=right,
        accuracy=right / len(chosen),
        interval=wilson(right, len(chosen)),
        sent=dict(sorted(sent.items())),
    )


def beside(rows: Sequence[RouterRow], chosen: Sequence[str | None], others: Sequence[str | None]) -> BesideKeywords:
    """What a router chose for rows, beside what keywords chose."""
    pairs = Pairs.counted(
        (other == row.model, one == row.model) for row, one, other in zip(rows, chosen, others, strict=True)
    )
    return BesideKeywords(
        keywords=figures_of(rows, others),
        only_keywords=pairs.only_before,
        only_router=pairs.only_after,
        difference=pairs.difference,
        interval=difference_interval(pairs),
        p=mcnemar(pairs),
    )


def _longest(text: str) -> str:
    """The text again and again, until no more of it is read."""
    return f"{text} " * (READ // (len(text) + 1) + 1)


def _microseconds(model: RouterModel, texts: Sequence[str]) -> float:
    """The median time for a choice."""
    took = []
    for text in texts[:_TIMED]:
        began = time.perf_counter()
        model.choose(text)
        took.append(time.perf_counter() - began)
    return round(1e6 * sorted(took)[len(took) // 2], 1)
