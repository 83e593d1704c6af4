"""``keywords``: a request that names no release goes to the domain whose words it uses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator

from postil.plugins.contract import Config, Router
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import asked
from postil.plugins.types import RoutingRequest

_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)?")
# A request is read to here: what it is about stands at its beginning, and a router has little time.
_MOST = 20_000
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(min_length=1, max_length=1000)]


class KeywordsConfig(Config):
    """``words``: for each domain (or adapter, ``legal/clause``) its words and phrases.

    ``margin``: by how many of them one has to be ahead of the next.
    """

    words: Annotated[dict[str, Words], Field(min_length=1, max_length=100)]
    margin: Annotated[int, Field(ge=1)] = 1

    @field_validator("words")
    @classmethod
    def _are_models(cls, words: dict[str, Words]) -> dict[str, Words]:
        for model in words:
            if not _MODEL.fullmatch(model):
                raise ValueError(f"{model!r} is neither a domain nor an adapter; write legal, or legal/clause")
        return words


class Keywords(Router):
    """Counts the different words that the user used, whole and without regard to case and accents.

    Says nothing where two domains come out alike, or none has a word: the tenant's default domain answers then. A
    domain that the tenant may not use is not counted.
    """

    name = "keywords"
    Config = KeywordsConfig
    cost = Cost(ascii=0.5, other=6)

    def __init__(self, config: KeywordsConfig) -> None:
        super().__init__(config)
        self._words = {model: frozenset(map(_plain, words)) for model, words in config.words.items()}
        for model, words in self._words.items():
            if "" in words:
                raise ConfigError(f"keywords: a word of {model} has no letter and no digit; leave it out")

    def route(self, question: RoutingRequest) -> str | None:
        """Return the model that is ahead, or None."""
        said = f" {_plain(' '.join(asked(question.request))[:_MOST])} "
        counts = [
            (sum(f" {word} " in said for word in words), model)
            for model, words in self._words.items()
            if model.partition("/")[0] in question.domains
        ]
        (best, model), (second, _) = (sorted(counts, reverse=True) + [(0, "")] * 2)[:2]
        return model if best - second >= self.config.margin else None


def _plain(text: str) -> str:
    """The words of a text, with one space between them."""
    plugin_host = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(one for one in plugin_host if not unicodedata.combining(one))))


@hookimpl
def postil_routers() -> Sequence[type[Router]]:
    """Offer ``keywords``."""
    return [Keywords]
