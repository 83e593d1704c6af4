"""What a policy says instead of an answer has to pass its own validators."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from postil.plugins import Completion, RequestContext, Verdict
from postil.plugins.contract import Validator
from postil.plugins.hookspecs import hookimpl
from postil.plugins.manager import PluginManager
from postil.plugins.types import window
from postil.registry.errors import PolicyError
from postil.registry.policy.own_answers import check_own_answers
from postil.registry.policy.policy import build, policy_from

BAN = {"name": "blocklist", "config": {"phrases": ["secret", "[removed]"]}}
FIXED = {"name": "fixed_answer", "config": {"content": "That is secret."}}


def check(policy: dict[str, Any], plugins: PluginManager) -> None:
    """Check a policy with these plugins."""
    read = policy_from(policy)
    check_own_answers(read, build(read, plugins), plugins)


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        ({"validators": [{**BAN, "on_fail": "redact"}]}, "validators.blocklist.replacement"),
        (
            {"validators": [{**BAN, "on_fail": "replace", "replacement": "a SECRET"}]},
            "validators.blocklist.replacement",
        ),
        ({"validators": [BAN], "fallback": [FIXED]}, "fallback.fixed_answer.config.content"),
        (
            {"validators": [BAN], "fallback": [{"name": "review", "config": {"content": "secret"}}]},
            "fallback.review.config.content",
        ),
        (
            {"validators": [BAN], "fallback": [{"name": "append", "config": {"content": "secret", "mends": ["x"]}}]},
            "fallback.append.config.content",
        ),
    ],
)
def test_a_text_that_its_own_validator_fails_is_refused(
    plugins: PluginManager, policy: dict[str, Any], where: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        check(policy, plugins)
    assert str(caught.value).startswith(f"policy: {where} does not pass the policy's own validator blocklist (")


def test_texts_that_pass_and_those_that_are_never_served_are_taken(plugins: PluginManager) -> None:
    check({"validators": [{**BAN, "on_fail": "redact", "replacement": "#"}], "fallback": [{"name": "base"}]}, plugins)
    check({"validators": [{**BAN, "on_fail": "stop"}]}, plugins)  # "[removed]" stands there, and is never said.


def test_a_fixed_answer_may_be_of_another_form(plugins: PluginManager) -> None:
    """That nobody is answered with a label is what it is for."""
    fallback = [{"name": "fixed_answer", "config": {"content": '{"category": "needs_review"}'}}]
    check({"output": {"labels": ["a", "b"]}, "validators": [{"name": "labels"}], "fallback": fallback}, plugins)


class Later(Validator):
    """Says what it says later, or not at all."""

    name = "later"
    scope = window(5)

    def judge(self, context: RequestContext, completion: Completion) -> Coroutine[Any, Any, Verdict]:
        """Fail, later."""

        async def fail() -> Verdict:
            return Verdict.failed("later")

        return fail()


class Broken(Validator):
    """Does not run."""

    name = "broken"
    scope = window(5)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Raise."""
        raise RuntimeError("asleep")


class Both:
    """Offers them."""

    @hookimpl
    def postil_validators(self) -> list[type[Validator]]:
        """Offer both."""
        return [Later, Broken]


def test_a_validator_that_does_not_say_at_once_refuses_nothing() -> None:
    plugins = PluginManager([Both()], entry_points=False)
    uses = [{"name": name, "on_fail": "redact"} for name in ("later", "broken")]
    check({"validators": uses}, plugins)
