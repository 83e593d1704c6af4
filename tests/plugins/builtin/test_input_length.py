from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import ConfigError, ReleaseRef, RequestContext
from postil.plugins.builtin.input_length import InputLength

PARTS = [{"type": "text", "text": "345"}]
CHAT = {"messages": [{"role": "system", "content": "12"}, {"role": "user", "content": PARTS}]}


@pytest.mark.parametrize(
    ("config", "request_", "reason"),
    [
        ({"max_characters": 5}, CHAT, ""),
        ({"max_characters": 4}, CHAT, "the messages have 5 characters, and 4 are the most"),
        ({"min_characters": 6, "max_characters": 9}, CHAT, "the messages have 5 characters, and 6 are the least"),
        ({"max_characters": 4}, {"prompt": "12345"}, "the messages have 5 characters, and 4 are the most"),
        ({"max_characters": 4}, {"prompt": ["123", "45"]}, "the messages have 5 characters, and 4 are the most"),
        ({"max_characters": 4}, {"messages": "12345"}, ""),
        ({"max_characters": 4}, {"messages": [1, {"role": "user", "content": None}]}, ""),
    ],
)
def test_the_characters_of_all_messages_are_counted(
    config: dict[str, Any], request_: dict[str, Any], reason: str
) -> None:
    context = RequestContext(ReleaseRef("healthcare", "triage", 2), "clinic", request_)
    assert InputLength.from_mapping(config).check(context).reason == reason


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "input_length: max_characters: field required"),
        (
            {"min_characters": 3, "max_characters": 2},
            "input_length: min_characters 3 is more than max_characters 2; exchange them",
        ),
        ({"max_characters": 0}, "input_length: max_characters: input should be greater than or equal to 1"),
        ({"max_characters": 5, "unit": "x"}, "input_length: there is no option unit; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        InputLength.from_mapping(config)
    assert str(caught.value) == sentence
