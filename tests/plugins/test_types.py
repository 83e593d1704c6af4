from __future__ import annotations

import dataclasses

import pytest

from postil import plugins
from postil.plugins import Completion, Outcome, ReleaseRef, RequestContext, Verdict


def test_a_release_reads_as_people_write_it() -> None:
    ref = ReleaseRef("healthcare", "triage", 4)
    assert str(ref) == "healthcare/triage@4"
    assert ref.name == "healthcare/triage"


@pytest.mark.parametrize(
    ("verdict", "ok"),
    [
        (Verdict.passed(), True),
        (Verdict.failed("a reason"), False),
        (Verdict(Outcome.DID_NOT_RUN, "KeyError"), False),
    ],
)
def test_only_a_verdict_that_ran_and_passed_is_ok(verdict: Verdict, ok: bool) -> None:
    assert verdict.ok is ok


def test_a_failed_verdict_keeps_its_reason() -> None:
    assert Verdict.failed("promises a cure").reason == "promises a cure"


def test_a_plugin_cannot_edit_what_it_judges(context: RequestContext) -> None:
    for value, field in ((Completion("hello"), "text"), (context, "tenant"), (Verdict.passed(), "outcome")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, "changed")


def test_every_exported_name_exists() -> None:
    assert len(set(plugins.__all__)) == len(plugins.__all__)
    assert all(hasattr(plugins, name) for name in plugins.__all__)


@pytest.mark.parametrize(
    ("old", "new"), [("Exchange", "RequestContext"), ("Question", "RoutingRequest"), ("Happening", "Notification")]
)
def test_a_name_of_an_earlier_version_is_refused_by_the_new_one(old: str, new: str) -> None:
    with pytest.raises(ImportError, match=f"{old} is now called {new}"):
        exec(f"from postil.plugins import {old}")


def test_any_other_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = plugins.Nothing
