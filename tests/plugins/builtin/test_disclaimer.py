from __future__ import annotations

import pytest

from postil.plugins import Completion, ConfigError
from postil.plugins.builtin.disclaimer import Disclaimer
from tests.plugins.windows import judged

TEXT = "This is no medical advice."


@pytest.mark.parametrize(
    ("text", "anywhere", "at_end"),
    [
        ("Rest. This is no medical advice.", True, True),
        ("Rest.\nTHIS is no\n  medical advice. \n", True, True),
        ("This is no medical advice. Rest.", True, False),
        ("\uff34his is no medical advice.", True, True),
        ("This is no medical advice", False, False),
        ("This is medical advice.", False, False),
        ("", False, False),
    ],
)
def test_the_sentence_is_found_however_it_is_broken_into_lines(text: str, anywhere: bool, at_end: bool) -> None:
    assert judged(Disclaimer.from_mapping({"text": TEXT}), Completion(text)).ok is anywhere
    assert judged(Disclaimer.from_mapping({"text": TEXT, "at_end": True}), Completion(text)).ok is at_end


def test_the_reason_says_what_is_missing() -> None:
    reason = "the required sentence is not "
    assert judged(Disclaimer.from_mapping({"text": TEXT}), Completion("Rest.")).reason == reason + "there"
    at_end = Disclaimer.from_mapping({"text": TEXT, "at_end": True})
    assert judged(at_end, Completion("Rest.")).reason == reason + "at its end"


def test_tool_calls_need_no_disclaimer() -> None:
    validator = Disclaimer.from_mapping({"text": TEXT})
    assert judged(validator, Completion("", tool_calls=[{"function": {}}])).ok
    assert not judged(validator, Completion("Rest.", tool_calls=[{"function": {}}])).ok


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "disclaimer: text: field required"),
        ({"text": " \n"}, "disclaimer: text is nothing but white space; give the sentence"),
        ({"text": "x", "where": "end"}, "disclaimer: there is no option where; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Disclaimer.from_mapping(config)
    assert str(caught.value) == sentence
