"""Validators judge, policy decides: also where a validator does not do its work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from postil.plugins import Completion, Fallback, FallbackRule, RequestContext, Validator, Verdict, hookimpl
from postil.plugins.contract import Config
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house

FALLBACK = "fallback: [{name: fixed_answer, config: {content: held}}]\n"


class Raises(Validator):
    """A validator with a fault."""

    name = "raises"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Break."""
        raise RuntimeError(f"secret answer: {completion.text}")


class Rubbish(Validator):
    """A validator that forgets what to return."""

    name = "rubbish"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Return what is no verdict."""
        return True  # type: ignore[return-value]


class Attribute(Validator):
    """A validator whose judge is chosen when it is set up, as its other part is a coroutine."""

    name = "attribute"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.judge = self._later  # type: ignore[assignment, method-assign]

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Not asked."""
        return Verdict.passed()

    async def _later(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed("asked later")


class Breaking(FallbackRule):
    """A fallback rule with a fault."""

    name = "breaking"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fallback | None:
        """Break."""
        raise RuntimeError


@pytest.fixture
async def faulty(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with the plugins above."""

    class Plugin(SimpleNamespace):
        @hookimpl
        def postil_validators(self) -> list[type[Validator]]:
            return [Raises, Rubbish, Attribute]

        @hookimpl
        def postil_fallback_rules(self) -> list[type[FallbackRule]]:
            return [Breaking]

    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        yield house


async def ask(house: House, policy: str) -> tuple[int, str, str]:
    """Publish with a policy and ask: status, what was said, and the fallback's reason."""
    await house.publish("legal/notes", policy)
    response = await house.ask(await house.tenant("firm", "legal"))
    answer = response.json()
    said = answer["choices"][0]["message"]["content"] if response.status_code == 200 else answer["error"]["message"]
    return response.status_code, said, response.headers.get("x-postil-fallback", "")


@pytest.mark.parametrize(("name", "why"), [("raises", "raised RuntimeError"), ("rubbish", "returned bool")])
async def test_a_validator_that_did_not_run_has_not_passed(faulty: House, name: str, why: str) -> None:
    status, said, reason = await ask(faulty, f"validators: [{{name: {name}}}]\n" + FALLBACK)
    assert (status, said) == (200, "held")
    assert reason.startswith(f"fixed_answer ({name}: did not run, {why}")
    assert "secret" not in reason


async def test_a_validator_may_choose_how_it_judges_when_it_is_set_up(faulty: House) -> None:
    status, said, reason = await ask(faulty, "validators: [{name: attribute}]\n" + FALLBACK)
    assert (status, said, reason) == (200, "held", "fixed_answer (attribute: asked later)")


async def test_a_policy_may_say_that_not_having_run_is_no_matter(faulty: House) -> None:
    status, said, reason = await ask(faulty, "validators: [{name: raises, if_not_run: pass}]\n" + FALLBACK)
    assert (status, said, reason) == (200, '{"category": "symptoms"}', "")


async def test_without_a_fallback_nothing_leaves(faulty: House) -> None:
    status, said, _ = await ask(faulty, "validators: [{name: labels, config: {labels: [other]}}]")
    assert status == 502
    assert "symptoms" not in said


async def test_a_fallback_answers_only_for_the_validators_it_names(faulty: House) -> None:
    policy = """
validators: [{name: labels, config: {labels: [other]}}, {name: confidence}]
fallback:
  - {name: fixed_answer, when: [confidence], config: {content: unsure}}
  - {name: fixed_answer, when: [labels], config: {content: wrong}}
"""
    assert (await ask(faulty, policy))[1] == "wrong"


async def test_a_fallback_rule_that_breaks_leaves_it_to_the_next(faulty: House) -> None:
    policy = "validators: [{name: raises}]\nfallback: [{name: breaking}, {name: fixed_answer, config: {content: held}}]"
    assert (await ask(faulty, policy))[:2] == (200, "held")
