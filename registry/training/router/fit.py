"""Fits a router: logistic regression over hashed features, whose weights become whole numbers of one byte."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from postil.plugins.recognition.router_model import BUCKETS, RouterFile, RouterModel, TrainedOn, digest_of, numbers_of
from postil.plugins.recognition.word_features import Concepts
from postil.registry.training.data.libraries import SUSPECTS, require
from postil.registry.training.router.hashed import matrix, rarity
from postil.registry.training.router.rows import RouterData, RouterRow
from postil.registry.training.statistics.promise import Promise, Row, promise

# The inverse of the weights' penalty, between 10 and 100, which make little difference; and what a byte can hold.
_PENALTY, _BYTE = 30.0, 127
_PLACES = 4
# No threshold is lower: what is as likely to be for another model is not sent to this one.
LEAST_THRESHOLD = 0.5
# The threshold where the rows are too few for one with a promise.
_CAUTIOUS = 0.8


def train(data: RouterData, error: float, confidence: float) -> tuple[RouterModel, Promise]:
    """Train on ``data.train``; the threshold comes from ``data.calibration``. The same data gives the same file.

    Of the texts that are sent to a model, at most ``error`` are sent to a wrong one, with ``confidence``, as far as
    live texts are like the calibration's. Raises TuneExtraMissingError.
    """
    file = _fitted(data.train, data.files)
    unsettled = RouterModel(file)
    choices = [(unsettled.choose(row.text), row) for row in data.calibration]
    judged = [
        Row(choice.probability if choice.model is not None else None, choice.model != row.model)
        for choice, row in choices
    ]
    found = promise(judged, alpha=error, delta=1 - confidence)
    threshold = _CAUTIOUS if found.minimum is None else max(LEAST_THRESHOLD, found.minimum)
    return RouterModel(_sealed(file.model_copy(update={"threshold": threshold}))), found


def _fitted(rows: Sequence[RouterRow], files: tuple[TrainedOn, ...]) -> RouterFile:
    require(SUSPECTS[:1], "training a router")
    import numpy as np
    import scipy.sparse as sp
    from sklearn.linear_model import LogisticRegression

    models = sorted({row.model for row in rows}, key=lambda model: (model is None, model or ""))
    concepts = Concepts()
    found = matrix([numbers_of(row.text, concepts) for row in rows], BUCKETS)
    # Of features that no row has, nothing can be learned: their weights are 0.
    seen = np.unique(found.indices)
    found = found[:, seen]
    rare = rarity(found)
    model = LogisticRegression(C=_PENALTY, max_iter=1000, class_weight="balanced")
    model.fit(found @ sp.diags(rare), [models.index(row.model) for row in rows])
    # Of two models scikit-learn knows only what speaks for the second.
    coefficients, bias = (model.coef_, model.intercept_) if len(models) > 2 else _both(model.coef_, model.intercept_)
    weights = coefficients * rare
    scale = round(float(_BYTE / max(np.abs(weights).max(), 1e-6)), _PLACES)
    whole = np.zeros((len(models), BUCKETS), dtype=np.int8)
    whole[:, seen] = np.clip(np.rint(weights * scale), -_BYTE, _BYTE)
    return _sealed(
        RouterFile.model_construct(
            format="postil-router",
            version=1,
            models=tuple(models),
            threshold=1.0,
            bias=tuple(round(float(one), _PLACES) for one in bias),
            scale=scale,
            weights=base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode(),
            data=files,
            postil=metadata.version("postil"),
            digest="",
        )
    )


def _both(coefficients: Any, intercept: Any) -> tuple[Any, Any]:
    import numpy as np

    half = np.concatenate([-coefficients, coefficients]) / 2
    return half, np.concatenate([-intercept, intercept]) / 2


def _sealed(file: RouterFile) -> RouterFile:
    """The file with the digest that belongs to it, read again as everybody reads it."""
    content = digest_of(file.model_dump_json(exclude={"digest"}))
    return RouterFile.model_validate_json(file.model_copy(update={"digest": content}).model_dump_json())
