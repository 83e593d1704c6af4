from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import Completion, ConfigError
from postil.plugins.builtin.length import Length
from tests.plugins.windows import judged


@pytest.mark.parametrize(
    ("config", "text", "reason"),
    [
        ({"max_characters": 5}, "hello", ""),
        ({"max_characters": 5}, "hello!", "the answer has 6 characters, and 5 are the most"),
        ({"min_characters": 5}, "hello", ""),
        ({"min_characters": 6}, "hello", "the answer has 5 characters, and 6 are the least"),
        ({"max_words": 2}, "  two\n words ", ""),
        ({"max_words": 2}, "these are three", "the answer has 3 words, and 2 are the most"),
        ({"min_words": 1}, " ", "the answer has 0 words, and 1 are the least"),
        ({"max_characters": 1}, "\U0001f600", ""),
        ({"max_characters": 0}, "", ""),
    ],
)
def test_the_bounds_themselves_pass(config: dict[str, Any], text: str, reason: str) -> None:
    assert judged(Length.from_mapping(config), Completion(text)).reason == reason


def test_an_answer_of_tool_calls_needs_no_text() -> None:
    validator = Length.from_mapping({"min_words": 2})
    assert judged(validator, Completion("", tool_calls=[{"function": {}}])).ok
    assert not judged(validator, Completion("word", tool_calls=[{"function": {}}])).ok


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "length: it has no bounds; give one of min_ or max_characters, min_ or max_words"),
        ({"min_words": 3, "max_words": 2}, "length: min_words 3 is more than max_words 2; exchange them"),
        ({"max_characters": -1}, "length: max_characters: input should be greater than or equal to 0"),
        ({"max": 3}, "length: there is no option max; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Length.from_mapping(config)
    assert str(caught.value) == sentence
