"""What components return, looked at closely: postil takes nothing on trust, and neither does this."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from postil.plugins.conformance.promises import broken, one_sentence, shown
from postil.plugins.types import AskAgain, Fail, Fallback, Hold, Outcome, Span, Substitute, Undecided, Verdict


def check_verdict(name: str, verdict: object, given: object, length: int | None) -> Verdict:
    """A verdict that says passed or failed, for a reason, with spans that lie in a text of that ``length``."""
    if not isinstance(verdict, Verdict):
        broken(name, f"returns {shown(verdict)} for {shown(given)}, which is no Verdict")
    if verdict.outcome not in (Outcome.PASSED, Outcome.FAILED):
        broken(name, f"says {verdict.outcome!r} of {shown(given)}; return passed or failed, or raise")
    if not all(isinstance(text, str) for text in (verdict.reason, verdict.notice, verdict.review)):
        broken(name, f"returns a verdict on {shown(given)} whose reason, notice or review is no text")
    if verdict.outcome is Outcome.FAILED and not one_sentence(verdict.reason):
        broken(name, f"fails {shown(given)} for the reason {shown(verdict.reason)}, which is not one short phrase")
    if not verdict.ok and (verdict.notice or verdict.review):
        broken(name, f"fails {shown(given)} with a notice or a review, which only a verdict that passed can carry")
    _check_spans(name, verdict, given, length)
    return verdict


def check_substitute(name: str, found: object, given: object) -> Substitute | None:
    """A substitute of the types that it has to have, or None."""
    if found is None:
        return None
    wrong = _wrong_part(found)
    if wrong:
        broken(name, f"returns {shown(found)} for {shown(given)}: {wrong}")
    assert isinstance(found, Substitute), "that was looked at"
    return found


def check_model(name: str, found: object, given: object) -> str | Undecided | None:
    """The name of a model, or None, or Undecided with a reason."""
    if isinstance(found, Undecided):
        if not (isinstance(found.reason, str) and one_sentence(found.reason)):
            broken(name, f"is undecided about {shown(given)} for {shown(found.reason)}, which is not one short phrase")
        return found
    if found is not None and not (isinstance(found, str) and one_sentence(found) and " " not in found):
        broken(name, f"returns {shown(found)} for {shown(given)}; return the name of a model, Undecided, or None")
    return found


def _check_spans(name: str, verdict: Verdict, given: object, length: int | None) -> None:
    spans = verdict.spans
    if not isinstance(spans, Sequence) or not all(isinstance(span, Span) for span in spans):
        broken(name, f"returns the spans {shown(spans)} for {shown(given)}; return a list of Span")
    if length is None and spans:
        broken(name, f"returns spans for {shown(given)}, where there is no text that they could lie in")
    if verdict.ok and spans:
        broken(name, f"passes {shown(given)} with spans, which only a verdict that failed can carry")
    for span in spans:
        if not (type(span.start) is type(span.end) is int and 0 <= span.start < span.end <= (length or 0)):
            broken(name, f"returns {span} for {shown(given)}, which does not lie in its {length} characters")


def _wrong_part(found: object) -> str:
    match found:
        case Fallback(content, finish):
            return "" if isinstance(content, str) and isinstance(finish, str) else "its parts have to be texts"
        case Hold(text) | Fail(text):
            return "" if isinstance(text, str) else "its part has to be a text"
        case AskAgain(release, sampling, instruction):
            texts = all(text is None or isinstance(text, str) for text in (release, instruction))
            if not texts:
                return "release and instruction have to be texts, or None"
            return "" if _is_sampling(sampling) else "sampling has to be a mapping that can be written as JSON"
        case _:
            return "return a Fallback, AskAgain, Hold or Fail, or None"


def _is_sampling(sampling: Any) -> bool:
    try:
        json.dumps(dict(sampling), allow_nan=False)
    except (TypeError, ValueError):
        return False
    return isinstance(sampling, Mapping)
