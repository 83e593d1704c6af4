"""A small trained classifier that says which model a text is for, or that it is for none: its file, and its answers.

``postil train-router`` makes the file: JSON with a weight of one byte for each feature and model. What reads it takes
it from anybody: every part has its bounds, and a file that was damaged or edited by hand is refused by its digest.
"""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from postil.plugins.recognition.folding import plain
from postil.plugins.recognition.word_features import Concepts, features, unpacked, words_of

# A domain or an adapter.
MODEL = r"[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63})?"
# How many weights a model has: fewer than features have numbers, as its file is to be small.
BUCKETS = 1 << 16
# So many characters of a text are read: what it is about is told by then.
READ = 1000
MOST_MODELS = 64
_MOST_BYTES = 8 << 20
_MASK = BUCKETS - 1
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=rf"^{MODEL}$")]
Short = Annotated[str, Field(max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainedOn(_Part):
    """A file of rows that a router was trained on; ``model`` is None where the rows themselves name models."""

    file: Short
    model: Name | None
    rows: Count
    digest: Short


class RouterFile(_Part):
    """What the file holds. ``models`` has None for texts that are for none of them.

    ``weights`` are the models' weights one after the other, packed by zlib, as base64: ``scale`` of them are 1.
    ``digest`` is that of all the rest.
    """

    format: Literal["postil-router"]
    version: Literal[1]
    models: Annotated[tuple[Name | None, ...], Field(min_length=2, max_length=MOST_MODELS)]
    threshold: Share
    bias: tuple[Annotated[float, Field(ge=-1000, le=1000)], ...]
    scale: Annotated[float, Field(gt=0, le=1_000_000)]
    weights: Annotated[str, Field(repr=False)]
    data: Annotated[tuple[TrainedOn, ...], Field(max_length=1000)] = ()
    postil: Short = ""
    digest: Short

    @field_validator("models")
    @classmethod
    def _are_different(cls, models: tuple[str | None, ...]) -> tuple[str | None, ...]:
        if len(set(models)) < len(models):
            raise ValueError("a model is named twice")
        return models

    @model_validator(mode="after")
    def _fits(self) -> RouterFile:
        if len(self.bias) != len(self.models):
            raise ValueError("there is not one bias for each model")
        if self.digest != self.own_digest():
            raise ValueError("its digest is not that of its content, so it was damaged or edited")
        return self

    def own_digest(self) -> str:
        """The digest that belongs to the content."""
        return digest_of(self.model_dump_json(exclude={"digest"}))


class Choice(NamedTuple):
    """The most likely model (None: none of them), its probability, and whether that reaches the threshold."""

    model: str | None
    probability: float
    sure: bool


class RouterModel:
    """Chooses models for texts; the same text always gets the same one. Raises ValueError for weights that are none."""

    def __init__(self, file: RouterFile) -> None:
        self.file = file
        self._concepts = Concepts()
        try:
            packed = base64.b64decode(file.weights, validate=True)
        except ValueError as error:
            raise ValueError("weights: they are not base64") from error
        found = unpacked(packed, BUCKETS * len(file.models))
        self._weights = [found[at * BUCKETS : (at + 1) * BUCKETS] for at in range(len(file.models))]

    def choose(self, text: str, threshold: float | None = None) -> Choice:
        """The model that a text is for, by its first ``READ`` characters."""
        chances = self.chances(text)
        best = max(range(len(chances)), key=lambda at: chances[at])
        model = self.file.models[best]
        least = self.file.threshold if threshold is None else threshold
        return Choice(model, chances[best], model is not None and chances[best] >= least)

    def chances(self, text: str) -> list[float]:
        """The probability of each of ``file.models``; they add up to 1."""
        numbers = numbers_of(text, self._concepts)
        size = self.file.scale * math.sqrt(max(len(numbers), 1))
        sums = [sum(map(weights.__getitem__, numbers)) / size for weights in self._weights]
        odds = [bias + found for bias, found in zip(self.file.bias, sums, strict=True)]
        most = max(odds)
        powers = [math.exp(one - most) for one in odds]
        return [power / sum(powers) for power in powers]


def numbers_of(text: str, concepts: Concepts) -> list[int]:
    """The numbers of a text's features, as many times as it has them."""
    return [one & _MASK for some in features(words_of(plain(text[:READ])[:READ]), concepts) for one in some]


def digest_of(content: str) -> str:
    """The digest of a file's content."""
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def read_router(path: Path) -> RouterModel:
    """Read a router's file. Raises ValueError in one sentence."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path} is larger than {_MOST_BYTES >> 20} MiB, so it is no router")
    try:
        return RouterModel(RouterFile.model_validate_json(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{path} is no router: {f'{where}: ' if where else ''}{reason}") from error
    except ValueError as error:
        raise ValueError(f"{path} is no router: {error}") from error
