"""Which message a labelled example is made of, whatever shape the request had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from postil.plugins import ReleaseRef
from postil.registry.names import AdapterName
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.asked import last_message
from postil.registry.reviews.export_examples import examples
from tests.registry.conftest import Publish

PICTURE = {"type": "image_url", "image_url": {"url": "data:,"}}


def user(content: object) -> dict[str, object]:
    """A message by the user."""
    return {"role": "user", "content": content}


def part(text: object) -> dict[str, object]:
    """A part of a message."""
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("request_body", "asked"),
    [
        ({"messages": [user("first"), {"role": "assistant", "content": "what?"}, user("last")]}, "last"),
        ({"messages": [user([part("see"), PICTURE, part("here")])]}, "see here"),
        ({"messages": [user("said"), user(None)]}, "said"),
        ({"messages": [user([part(3), "loose"])]}, ""),
        ({"messages": ["loose", {"role": "system", "content": "x"}]}, ""),
        ({"prompt": "finish this"}, "finish this"),
        ({"prompt": [1, 2, 3]}, ""),
        ({}, ""),
    ],
)
def test_the_last_thing_that_the_user_said_is_what_was_asked(request_body: Mapping[str, Any], asked: str) -> None:
    assert last_message(request_body) == asked


def test_a_decision_on_a_request_without_a_message_is_no_example(registry: Registry, publish: Publish) -> None:
    publish()
    for body in ({}, {"prompt": "finish this"}):
        opening = reviews.ReviewRequest(
            ReleaseRef("healthcare", "triage", 1), "clinic", body, "an answer", "why", [], None
        )
        reviews.approve(registry.database, reviews.open_review(registry.database, opening).id, actor="ann")
    assert examples(registry, AdapterName("healthcare", "triage")) == [
        {"instruction": "", "input": "finish this", "output": "an answer"}
    ]
