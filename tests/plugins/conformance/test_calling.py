"""Calls that hang, are late, or get in each other's way are told in one sentence."""

from __future__ import annotations

import threading

import pytest

from postil.plugins import Completion, RequestContext
from postil.plugins.conformance.calling import Caller
from postil.plugins.conformance.promises import BrokenPromiseError
from tests.plugins.broken import remembering


def hang() -> None:
    """Never return."""
    threading.Event().wait()


def test_work_that_hangs_is_told_of(context: RequestContext) -> None:
    with pytest.raises(BrokenPromiseError, match=r"it takes longer than 0\.6 s for judge of 'a text'"):
        Caller("it", "judge", 0.01).each(hang, "a text")


def test_what_is_late_once_is_not_late() -> None:
    late_once = remembering.LateOnce.from_mapping({})
    verdict = Caller("it", "judge", 0.1).call(late_once, (None, Completion("all is well")))
    assert (verdict.ok, late_once.asked) == (True, 2)


def test_coroutines_that_get_in_each_others_way_are_told_of(context: RequestContext) -> None:
    caller = Caller("it", "judge", 1.0)
    alone = remembering.OneAtATime.from_mapping({})
    assert caller.call(alone, (context, Completion("all is well"))).ok
    with pytest.raises(BrokenPromiseError, match=r"it raises RuntimeError \('busy'\) in judge of"):
        caller.at_once(alone, [(context, Completion(text)) for text in ("one", "two")])
