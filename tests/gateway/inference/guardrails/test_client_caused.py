"""Which failures are a client's own doing, and which speak of the release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postil.gateway.inference.formats import Kind
from postil.gateway.inference.guardrails.client_caused import is_client_caused
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.tenancy.directory import Caller
from postil.registry.policy.policy import policy_from
from postil.registry.releases.channels import STABLE
from tests.gateway.inference.routing.test_catalog import RELEASES

CUT, WHOLE = {"finish_reason": "length"}, {"finish_reason": "stop"}
STOPPED = {"finish_reason": "stop", "stop_reason": "x"}


def caused(body: dict[str, Any], choice: dict[str, Any] | None, policy: dict[str, Any] | None = None) -> bool:
    """Whether a failure of this choice is the client's doing."""
    release = replace(RELEASES[1], policy=policy_from(policy or {}))
    return is_client_caused(CompletionRequest(Kind.CHAT, body, None, False, False), release, choice)


@pytest.mark.parametrize(
    ("body", "choice"),
    [
        ({"max_tokens": 3}, CUT),
        ({"max_completion_tokens": 3}, CUT),
        ({"stop": "x"}, STOPPED),
        ({"stop": ["y", "x"]}, STOPPED),
        ({"stop_token_ids": [7]}, {"finish_reason": "stop", "stop_reason": 7}),
        ({"allowed_token_ids": [5]}, WHOLE),
        ({"logit_bias": {"5": 100}}, None),
        ({"echo": True}, WHOLE),
        ({"min_tokens": 10}, WHOLE),
        ({"bad_words": ["symptoms"]}, WHOLE),
        ({"ignore_eos": True}, CUT),
    ],
)
def test_an_answer_that_the_client_cut_or_forced_is_its_own_doing(
    body: dict[str, Any], choice: dict[str, Any] | None
) -> None:
    assert caused(body, choice)


@pytest.mark.parametrize(
    ("body", "choice"),
    [
        ({}, CUT),
        ({"max_tokens": 3}, WHOLE),
        ({"stop": ["y"]}, STOPPED),
        ({"stop": []}, STOPPED),
        ({"temperature": 2, "seed": 1, "user": "u"}, WHOLE),
        ({"logit_bias": {}, "allowed_token_ids": None}, WHOLE),
        ({"max_tokens": 3}, None),
    ],
)
def test_what_the_client_did_not_cut_or_force_speaks_of_the_release(
    body: dict[str, Any], choice: dict[str, Any] | None
) -> None:
    assert not caused(body, choice)


def test_where_the_policy_fixes_a_parameter_the_clients_is_not_the_cause() -> None:
    assert not caused({"max_tokens": 3}, CUT, {"sampling": {"max_tokens": 32}})
    assert not caused({"max_completion_tokens": 3}, CUT, {"sampling": {"max_tokens": 32}})
    assert not caused({"logit_bias": {"5": 1}}, WHOLE, {"sampling": {"logit_bias": {"6": 1}}})


@pytest.mark.parametrize(
    ("choices", "expected"), [([True], True), ([True, True], True), ([True, False], False), ([False, True], False)]
)
def test_the_client_is_the_cause_only_if_it_is_of_every_choice_that_failed(choices: list[bool], expected: bool) -> None:
    asked = CompletionRequest(Kind.CHAT, {}, None, False, False)
    record = RequestRecord.start(Route(RELEASES[1], STABLE), Caller("clinic", frozenset()), asked)
    for each in choices:
        record.fail_validation(client_caused=each)
    assert (record.failed_validation, record.client_caused) == (True, expected)
