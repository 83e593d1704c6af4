"""Plugins whose name, configuration or scope is not what was promised, one fault each."""

from __future__ import annotations

import re
import threading
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from postil.plugins import (
    Scope,
    Validator,
    window,
)
from tests.plugins.broken.good import Good, WordConfig


class NoName(Good):
    name = ""


class ShoutedName(Good):
    name = "Bad Words"


class NoVersion(Good):
    name, version = "no-version", 2  # type: ignore[assignment]


class Abstract(Validator):
    name = "abstract"


class NoConfigModel(Good):
    name = "no-config-model"
    Config = dict  # type: ignore[assignment]


class Changeable(Good):
    name = "changeable"

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")
        word: str = "bad"


class NoSchema(Good):
    name = "no-schema"

    class Config(WordConfig):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        lock: threading.Event | None = None


class TakesAll(Good):
    name = "takes-all"

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True)
        word: str = "bad"


class ReadsAnything(Good):
    name = "reads-anything"

    class Config(WordConfig):
        word: Annotated[str, BeforeValidator(str)] = "bad"


class NotByItsOwn(Good):
    name = "not-by-its-own"

    class Config(WordConfig):
        word: str = Field("bad", alias="wort")


class MadeDifferently(Good):
    name = "made-differently"

    class Config(WordConfig):
        @field_validator("word")
        @classmethod
        def _longer(cls, word: str) -> str:
            return f"{word}d"


class KeepsNothing(Good):
    name = "keeps-nothing"

    def __init__(self, config: WordConfig) -> None:
        self.word = config.word


class RaisesWhenMade(Good):
    name = "raises-when-made"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        re.compile(config.word)


class TakesBad(Good):
    name = "takes-bad"


class RefusesAtLength(Good):
    name = "refuses-at-length"

    class Config(WordConfig):
        @field_validator("word")
        @classmethod
        def _short(cls, word: str) -> str:
            if len(word) > 9:
                raise ValueError("too long\nwrite a shorter one")
            return word


class NoScope(Good):
    name = "no-scope"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.scope = Scope(0)


class OtherScope(Good):
    name = "other-scope"
    made: list[int] = []  # noqa: RUF012 - that is its fault

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.made.append(1)
        self.scope = window(2 + len(self.made))


def unfindable() -> type[Validator]:
    """A class that no other process can find."""

    class Hidden(Good):
        name = "hidden"

    return Hidden
