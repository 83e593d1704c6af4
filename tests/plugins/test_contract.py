from __future__ import annotations

from typing import Any

import pytest
from pydantic import field_validator, model_validator

from postil.plugins import Completion, ConfigError, RequestContext, Validator, Verdict
from postil.plugins.contract import Config


class WordsConfig(Config):
    words: tuple[str, ...] = ()
    least: int = 0

    @field_validator("words")
    @classmethod
    def _lower(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if any(word != word.lower() for word in words):
            raise ValueError("Words are written in lower case")
        return words

    @model_validator(mode="after")
    def _enough(self) -> WordsConfig:
        if len(self.words) < self.least:
            raise ValueError("there are fewer words than least")
        return self


class Words(Validator):
    name = "words"
    Config = WordsConfig

    def __init__(self, config: WordsConfig) -> None:
        super().__init__(config)
        if "impossible" in config.words:
            raise ConfigError("words: 'impossible' cannot be found; leave it out")

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


class Bare(Words):
    name = "bare"
    Config = Config  # type: ignore[assignment]

    def __init__(self, config: Any) -> None:
        Validator.__init__(self, config)


def test_the_configuration_reaches_the_instance() -> None:
    assert Words.from_mapping({"words": ["cure"]}).config == WordsConfig(words=("cure",))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"words": ["Cure"]}, "words: words: words are written in lower case"),
        ({"least": 2}, "words: configuration: there are fewer words than least"),
        ({"least": [], "more": 1}, "words: least: input should be a valid integer"),
        ({"words": ["impossible"]}, "words: 'impossible' cannot be found; leave it out"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_that_says_where(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Words.from_mapping(config)
    assert str(caught.value) == sentence


def test_a_component_without_a_schema_takes_no_keys() -> None:
    assert Bare.from_mapping({}).config == Config()
    with pytest.raises(ConfigError, match="bare: there is no option anything; leave it out"):
        Bare.from_mapping({"anything": 1})


def test_a_configuration_is_frozen() -> None:
    made = Words.from_mapping({})
    with pytest.raises(ValueError, match="frozen"):
        made.config.least = 3
