"""What is refused when a policy is published: what the engine would refuse in every request."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.errors import PolicyError
from postil.registry.policy.policy import policy_from
from postil.registry.policy.publishable import check_publishable, policy_warnings

RECORD: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}


def check(window: int | None = None, **policy: Any) -> None:
    check_publishable(policy_from(policy), window)


@pytest.mark.parametrize("where", ["sampling", "defaults"])
@pytest.mark.parametrize(
    ("sampling", "says"),
    [
        ({"top_p": 2}, "top_p is '2'; it has to be a number above 0 and up to 1"),
        ({"top_p": 0}, "above 0"),
        ({"temperature": "hot"}, "temperature is 'hot'; it has to be a number from 0 to 2"),
        ({"temperature": True}, "a number from 0 to 2"),
        ({"stop": 5}, "a text, or a list"),
        ({"stop": []}, "a text, or a list"),
        ({"bad_words": [""]}, "a list of up to"),
        ({"max_tokens": 100_000}, "more than the engine's context of 2048 tokens"),
        ({"max_tokens": 0}, "from 1 on"),
        ({"max_tokens": 32.5}, "from 1 on"),
        ({"min_tokens": -1}, "from 0 on"),
        ({"top_k": 2**70}, "a whole number, or -1"),
        ({"repetition_penalty": 0}, "above 0"),
        ({"stop_token_ids": ["a"]}, "token ids"),
        ({"logit_bias": {"a": 1}}, "token ids with numbers"),
        ({"ignore_eos": "yes"}, "true or false"),
        ({"chat_template_kwargs": 1}, "a mapping"),
        ({"temprature": 0}, "did you mean temperature"),
        ({"zzz": 0}, "known are"),
    ],
)
def test_sampling_that_every_request_would_fail_with_is_refused(
    where: str, sampling: dict[str, Any], says: str
) -> None:
    with pytest.raises(PolicyError, match=says) as refused:
        check(2048, **{where: sampling})
    assert where in str(refused.value)


def test_good_sampling_is_let_in() -> None:
    check(
        2048,
        sampling={"max_tokens": 32, "top_p": 0.5, "stop": ["a", "b"], "logit_bias": {"5": -100}, "seed": 7},
        defaults={"temperature": 0, "stop": "x", "ignore_eos": False, "chat_template_kwargs": {"a": 1}, "top_k": -1},
    )
    check(sampling={"max_tokens": 100_000, "repetition_penalty": 1.1, "stop_token_ids": [1]})


def test_a_schema_that_holds_up_every_start_is_refused() -> None:
    slow = {"properties": {f"f{i}": {"type": "string", "maxLength": 200 + i} for i in range(60)}}
    with pytest.raises(PolicyError, match=r"policy: output: .*seconds to compile"):
        check(output={"json_schema": slow})
    with pytest.raises(PolicyError, match="uniqueItems"):
        check(output={"json_schema": {"type": "array", "uniqueItems": True}})
    check(output={"json_schema": RECORD})


def test_more_labels_than_can_be_spelt_out_are_refused() -> None:
    with pytest.raises(PolicyError, match="1000 choices"):
        check(output={"labels": [str(number) for number in range(1001)]})


def test_a_label_that_no_answer_has_room_for_is_refused() -> None:
    with pytest.raises(PolicyError, match="max_tokens is 1, and"):
        check(sampling={"max_tokens": 1}, output={"labels": ["a", "b" * 200]})
    check(sampling={"max_tokens": 8}, output={"labels": ["a", "b" * 200]})
    check(output={"labels": ["a"]})


def test_values_that_nothing_ends_are_a_warning() -> None:
    (warning,) = policy_warnings(policy_from({"output": {"json_schema": RECORD}}))
    assert "strings without maxLength" in warning
    bounded = {"properties": {"a": {"type": "string", "maxLength": 5}}}
    assert policy_warnings(policy_from({"output": {"json_schema": bounded}})) == []
    assert policy_warnings(policy_from({"output": {"labels": ["a"]}})) == []
    assert policy_warnings(policy_from({})) == []


def test_sampling_of_a_second_request_is_held_against_the_same_list() -> None:
    rule = {"name": "ask_again", "config": {"sampling": {"temprature": 0}}}
    with pytest.raises(PolicyError, match=r"fallback\.ask_again\.config\.sampling\.temprature .*did you mean temper"):
        check(fallback=[rule])
    again = {"name": "ask_again", "config": {"sampling": {"temperature": 0}}}
    check(fallback=[again, {"name": "fixed_answer", "config": {"content": "x"}}, again])


@pytest.mark.parametrize(
    ("one", "other"),
    [("billing", "billing "), ("too dear", "too  dear"), ("\u00dcbelkeit", "U\u0308belkeit"), ("card", "ca\u200brd"),
     ("a b", "a\u00a0b")],
)  # fmt: skip
def test_labels_that_look_alike_are_refused(one: str, other: str) -> None:
    with pytest.raises(PolicyError) as caught:
        check(output={"labels": ["x", one, other]})
    assert f"output.labels has {one.encode('ascii', 'backslashreplace').decode()!r}".replace("\\\\", "\\") in str(
        caught.value
    )
    assert "which look alike" in str(caught.value)
    with pytest.raises(PolicyError, match="look alike"):
        check(output={"labels": ["x", one], "reject": other})


def test_labels_that_differ_only_in_case_are_a_warning() -> None:
    policy = policy_from({"output": {"labels": ["Billing", "card", "billing"]}})
    check_publishable(policy)
    assert policy_warnings(policy) == ["output.labels 'Billing' and 'billing' differ only in case"]
