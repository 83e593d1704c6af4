"""The kit for authors: it lets good plugins through and says of each bad one which promise it breaks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from postil.plugins import Candidate, Completion, Fallback, Notification, ReleaseRef, Token, Validator
from postil.plugins.builtin.confidence import Confidence
from postil.plugins.builtin.fixed_answer import FixedAnswer
from postil.plugins.builtin.labels import Labels
from postil.plugins.testing import (
    BrokenPromiseError,
    check_fallback_rule,
    check_gate,
    check_input_check,
    check_listener,
    check_router,
    check_validator,
)
from tests.plugins.broken import declared, edges, good, kinds, remembering, verdicts

RELEASE = ReleaseRef("legal", "notes", 2)
GOOD, POOR = (Candidate(RELEASE, {}, {"accuracy": figure}) for figure in (0.95, 0.5))


def check(component: Any, config: dict[str, Any] | None = None, **other: Any) -> None:
    """The kit, for a validator of bad words."""
    known: dict[str, Any] = {"passes": ["all is well", "good"], "fails": ["a bad word", "bad"], **other}
    check_validator(component, config, **known)


def complaint(component: Any, config: dict[str, Any] | None = None, **other: Any) -> str:
    """What the kit says."""
    with pytest.raises(BrokenPromiseError) as caught:
        check(component, config, **other)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("component", [good.Good, good.GoodAwaited, good.GoodWhole])
def test_a_good_validator_is_let_through(component: type[Validator]) -> None:
    check(component, {"word": "bad"}, bad=[{"word": ""}])


async def test_it_can_be_called_where_a_loop_runs() -> None:
    await asyncio.sleep(0)
    check(good.GoodAwaited)


@pytest.mark.parametrize(
    ("component", "says"),
    [
        (kinds.AnswersText, "is not a subclass of postil.plugins.Validator"),
        (declared.NoName, "NoName has the name ''"),
        (declared.ShoutedName, "ShoutedName has the name 'Bad Words'; a policy takes lower-case letters"),
        (declared.NoVersion, "no-version has the version 2"),
        (declared.Abstract, "abstract lacks judge"),
        (declared.unfindable(), "hidden cannot be found as tests.plugins.broken.declared.unfindable.<locals>.Hidden"),
        (declared.NoConfigModel, "no-config-model has <class 'dict'> for its Config"),
        (declared.Changeable, "changeable has a Config that can be changed"),
        (declared.NoSchema, "no-schema has a Config without a JSON Schema"),
        (declared.TakesAll, "takes-all takes a key that it does not know"),
        (declared.ReadsAnything, "reads-anything takes {'a': 1} for 'word', which by its schema is of the type string"),
        (declared.KeepsNothing, "keeps-nothing does not keep its configuration; call super().__init__(config)"),
        (declared.NoScope, "no-scope has the scope Scope(window=0)"),
        (declared.OtherScope, "other-scope has the scope Scope(window="),
    ],
)
def test_a_class_or_a_configuration_that_is_not_as_it_has_to_be(component: Any, says: str) -> None:
    assert says in complaint(component)


@pytest.mark.parametrize(
    ("component", "config", "bad", "says"),
    [
        (good.Good, {"word": 7}, [], "good does not take {'word': 7}, which it is to be checked with: good: word:"),
        (declared.NotByItsOwn, {"wort": "bad"}, [], "not-by-its-own cannot be made again from its own configuration"),
        (declared.MadeDifferently, {"word": "ba"}, [], "made-differently is made with Config(word='badd') from what"),
        (declared.RaisesWhenMade, {}, [{"word": "("}], "raises error when it is made with {'word': '('}"),
        (declared.TakesBad, {}, [{"word": "("}], "takes the configuration {'word': '('}, which it has to refuse"),
        (declared.RefusesAtLength, {}, [{"word": "a" * 10}], "which is not one sentence"),
    ],
)
def test_a_configuration_that_does_not_fit(component: Any, config: Any, bad: Any, says: str) -> None:
    assert says in complaint(component, config, bad=bad)


@pytest.mark.parametrize(
    ("component", "says"),
    [
        (verdicts.SaysTrue, "says-true returns True for 'all is well', which is no Verdict"),
        (verdicts.SaysUnrun, "did-not-run'> of 'all is well'; return passed or failed, or raise"),
        (verdicts.NoReason, "no-reason fails 'a bad word' for the reason '', which is not one short phrase"),
        (verdicts.NumberForReason, "whose reason, notice or review is no text"),
        (verdicts.FailsWithNotice, "fails 'a bad word' with a notice or a review"),
        (verdicts.SpansBeside, "returns Span(start=2, end=101) for 'a bad word', which does not lie in its 10"),
        (verdicts.SpansAsPairs, "returns the spans [(0, 3)] for 'a bad word'; return a list of Span"),
        (verdicts.PassesWithSpans, "passes 'all is well' with spans"),
        (verdicts.Blind, "blind passes 'a bad word', which is among those that fail"),
        (verdicts.Strict, "strict fails 'all is well' ('no answer is good enough'), which is among those that pass"),
        (verdicts.Raises, "raises raises IndexError ('string index out of range') in judge of ''"),
        (verdicts.Exits, "exits raises SystemExit ('1') in judge of 'all is well', so it did not run"),
    ],
)
def test_a_verdict_that_is_none(component: Any, says: str) -> None:
    assert says in complaint(component)


@pytest.mark.parametrize(
    ("component", "says"),
    [
        (remembering.Edits, "edits changes what it is given: judge was called with "),
        (remembering.Counts, ", asked again, "),
        (remembering.PointsBeside, ", asked again, "),
        (remembering.LeavesLying, ", in several threads at once, "),
        (remembering.LeavesLyingAwaited, ", in several threads at once, "),
        (remembering.InSetOrder, ", in a process of its own, "),
        (remembering.ByProcess, ", in a process of its own, "),
        (remembering.EndsElsewhere, "cannot be run in a process of its own ('RuntimeError: not at home')"),
    ],
)
def test_a_verdict_that_hangs_on_more_than_the_answer(component: Any, says: str) -> None:
    assert says in complaint(component)


@pytest.mark.parametrize("component", [remembering.Sleeps, remembering.Dawdles])
def test_a_deadline_that_is_not_kept(component: Any) -> None:
    assert "takes longer than 0.1 s for judge of 'all is well'" in complaint(component, seconds=0.1)


@pytest.mark.parametrize(
    ("component", "says"),
    [
        (edges.TooSmall, "but no part of it that its window of 2 characters can hold; declare a larger window"),
        (edges.AsksForLength, "a part may only fail for what the whole fails for"),
        (edges.ForgetsTheEdge, "a part may only fail for what the whole fails for"),
        (edges.ForgetsThatTheEdgeCounts, "but no part of it that its window of 3 characters can hold"),
        (edges.NoThirteen, "is not the same for every way of cutting the stream"),
    ],
)
def test_a_window_that_promises_what_is_not_so(component: Any, says: str) -> None:
    embedded = ["embadded"] if component is edges.ForgetsTheEdge else []
    assert says in complaint(component, passes=["all is well and nothing is wrong", *embedded])


def test_nothing_is_seen_without_an_answer_that_fails() -> None:
    with pytest.raises(ValueError, match="one that fails"):
        check(good.Good, fails=[])


def test_a_label_is_checked() -> None:
    check_validator(
        Labels,
        {"labels": ["symptoms", "billing"]},
        passes=['{"category": "billing"}'],
        fails=['{"category": "other"}', "billing"],
        bad=[{}, {"labels": []}],
    )


def test_an_answer_with_tokens_is_checked() -> None:
    tokens = [[Token('{"category": "', 0.0), Token("a", logprob), Token('"}', 0.0)] for logprob in (-0.1, -3.0)]
    sure, unsure = (Completion('{"category": "a"}', "stop", each) for each in tokens)
    check_validator(Confidence, {"minimum": 0.5}, passes=[sure], fails=[unsure, "a"], bad=[{"minimum": 2}])


def test_a_check_of_requests_is_checked() -> None:
    check_input_check(good.GoodCheck, passes=["hello"], fails=["bad", {"prompt": "a bad one"}])
    with pytest.raises(BrokenPromiseError, match=r"returns spans for .*, where there is no text"):
        check_input_check(kinds.ChecksWithSpans, passes=[], fails=["bad"])
    with pytest.raises(BrokenPromiseError, match=r"raises IndexError .* in check of \{'messages': \[\]\}"):
        check_input_check(kinds.ChecksOneShape, passes=["good"], fails=["bad"])


def test_a_fallback_rule_is_checked() -> None:
    check_fallback_rule(FixedAnswer, {"content": "wait"}, answers=[("no", Fallback("wait"))], bad=[{}])
    check_fallback_rule(good.GoodRule, answers=[("no", Fallback("NO")), (Completion("something longer"), None)])
    with pytest.raises(BrokenPromiseError, match=r"good-rule returns .*NO.* for 'no', and not None"):
        check_fallback_rule(good.GoodRule, answers=[("no", None)])


@pytest.mark.parametrize(
    ("component", "says"),
    [
        (kinds.AnswersText, "return a Fallback, AskAgain, Hold or Fail, or None"),
        (kinds.AnswersNumber, "its parts have to be texts"),
        (kinds.AsksWithASet, "sampling has to be a mapping that can be written as JSON"),
        (kinds.AsksANumber, "release and instruction have to be texts, or None"),
    ],
)
def test_a_substitute_that_is_none(component: Any, says: str) -> None:
    with pytest.raises(BrokenPromiseError, match=says):
        check_fallback_rule(component)


def test_a_router_is_checked() -> None:
    check_router(good.GoodRouter, routes=[("my contract", "legal"), ("my head", None)])
    check_router(good.GoodRouter, routes=[("my contract", None)], domains=["finance"])
    with pytest.raises(BrokenPromiseError, match="good-router sends 'my head' to None, and not to healthcare"):
        check_router(good.GoodRouter, routes=[("my head", "healthcare")])
    with pytest.raises(BrokenPromiseError, match="routes-to-a-number returns 3 for"):
        check_router(kinds.RoutesToANumber, routes=[])
    with pytest.raises(BrokenPromiseError, match=r"is undecided about .* for .*, which is not one short phrase"):
        check_router(kinds.IsUndecidedAtLength, routes=[])


def test_a_gate_is_checked() -> None:
    check_gate(good.GoodGate, passes=[(GOOD, None), (GOOD, POOR)], fails=[(POOR, None)])
    with pytest.raises(BrokenPromiseError, match=r"good-gate passes .*, which is among those that fail"):
        check_gate(good.GoodGate, passes=[], fails=[(GOOD, None)])
    with pytest.raises(BrokenPromiseError, match="needs-figures raises KeyError"):
        check_gate(kinds.NeedsFigures, passes=[(GOOD, None)], fails=[(POOR, None)])


def test_a_listener_is_checked() -> None:
    told = Notification("review-approve", "healthcare/triage", "anna", "fine", datetime(2026, 1, 2, tzinfo=UTC))
    check_listener(good.GoodListener, happenings=[told])
    with pytest.raises(BrokenPromiseError, match="replies returns 'thank you' when it hears of publish"):
        check_listener(kinds.Replies)
    with pytest.raises(BrokenPromiseError, match=r"knows-two raises KeyError .* in handle of Notification"):
        check_listener(kinds.KnowsTwo)
