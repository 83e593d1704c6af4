"""Which message a labelled example is made of, whatever shape the request had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from postil.plugins import ReleaseRef
from postil.registry.errors import TextError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import parse_policy
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.asked import Turn, conversation, last_message
from postil.registry.reviews.bounds import ReviewBounds
from postil.registry.reviews.export_examples import Decided, LabelledExample, conversation_of, decided, examples
from postil.registry.training.dataset import load
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
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
    assert examples(registry, TRIAGE) == [LabelledExample("", "finish this", "an answer")]


def approved(
    registry: Registry, request_body: Mapping[str, Any], answer: str, bounds: ReviewBounds | None = None
) -> None:
    """A review that somebody has approved."""
    opening = reviews.ReviewRequest(ReleaseRef("healthcare", "triage", 1), "clinic", request_body, answer, "", [], None)
    review = reviews.open_review(registry.database, opening, bounds or ReviewBounds())
    reviews.approve(registry.database, review.id, actor="ann")


def chat(*contents: str, last: str = "yes") -> dict[str, Any]:
    """A conversation that ends with a message of the user."""
    roles = ["user", "assistant"]
    said = [{"role": roles[place % 2], "content": content} for place, content in enumerate(contents)]
    return {"messages": [*said, user(last)]}


def test_chats_that_end_alike_are_examples_of_their_own_with_all_that_was_said(
    registry: Registry, publish: Publish, tmp_path: Path
) -> None:
    publish(policy=parse_policy("system_prompt: Sort.\noutput: {labels: [refund, cancel]}"))
    refund, cancel = chat("money back", "All of it?"), chat("stop it", "For\u2028good?")
    for body, label in ((refund, "cancel"), (cancel, "cancel"), (chat("MONEY  back", "All of it?"), "refund")):
        approved(registry, body, json.dumps({"category": label}))
    found = examples(registry, TRIAGE)
    assert [(row.input, row.output, [turn.content for turn in row.history]) for row in found] == [
        ("yes", '{"category": "refund"}', ["MONEY  back", "All of it?"]),
        ("yes", '{"category": "cancel"}', ["stop it", "For\u2028good?"]),
    ]
    file = tmp_path / "decided.jsonl"
    file.write_text("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
    read = load(file).examples
    assert [example.history for example in read] == [
        (("user", "MONEY  back"), ("assistant", "All of it?")),
        (("user", "stop it"), ("assistant", "For\u2028good?")),
    ]


def test_the_clients_own_instructions_stand_behind_the_policys_as_the_model_saw_them(
    registry: Registry, publish: Publish
) -> None:
    publish(policy=parse_policy("system_prompt: Sort."))
    told = [{"role": "system", "content": "Be kind."}, {"role": "developer", "content": "Be quick."}]
    later = {"role": "developer", "content": "Stop."}
    approved(registry, {"messages": [*told, user("hello"), later, user("so?")]}, "x")
    (row,) = examples(registry, TRIAGE)
    assert row.instruction == "Sort.\n\nBe kind.\n\nBe quick."
    assert row.history == (Turn("user", "hello"), Turn("system", "Stop."))


@pytest.mark.parametrize(
    "messages",
    [
        [user("look it up"), {"role": "assistant", "tool_calls": [{"id": "1"}]}, user("so?")],
        [user("look it up"), {"role": "tool", "content": "42"}, user("so?")],
        [user("hello"), {"role": "assistant", "content": "{"}],
        [user("x" * 5000), {"role": "assistant", "content": "hm"}, user("so?")],
        [user("x" * 9000)],
    ],
)
def test_what_no_example_can_hold_is_left_out(registry: Registry, publish: Publish, messages: list[Any]) -> None:
    publish()
    approved(registry, {"messages": messages}, "x", ReviewBounds(request_bytes=4096))
    assert examples(registry, TRIAGE) == []


def test_a_long_request_whose_messages_are_whole_is_an_example(registry: Registry, publish: Publish) -> None:
    publish()
    approved(registry, chat("a", "b") | {"tools": "x" * 9000}, "x", ReviewBounds(request_bytes=4096))
    assert [len(row.history) for row in examples(registry, TRIAGE)] == [2]


@pytest.mark.parametrize(
    ("request_body", "turns"),
    [
        ({"messages": [user([part("see"), PICTURE, part("here")])]}, [Turn("user", "see here")]),
        ({"messages": ["loose", {"role": "tool", "content": "42"}]}, [Turn("tool", "42")]),
        (
            {"messages": [{"role": "assistant", "content": "hm", "tool_calls": [{"id": "1"}]}]},
            [Turn("assistant", 'hm\n[{"id": "1"}]')],
        ),
        ({"prompt": "finish this"}, [Turn("user", "finish this")]),
        ({"prompt": [1, 2]}, []),
    ],
)
def test_a_conversation_is_all_that_was_said(request_body: Mapping[str, Any], turns: list[Turn]) -> None:
    assert conversation(request_body) == turns


def opened(registry: Registry, message: str, answer: str = "no", drawn_by: str = "audit") -> str:
    """A review of one message, drawn with a probability of a half."""
    ref = ReleaseRef("healthcare", "triage", 1)
    opening = reviews.ReviewRequest(
        ref, "clinic", {"messages": [user(message)]}, answer, "", [], None, drawn_by=drawn_by, probability=0.5
    )
    return reviews.open_review(registry.database, opening).id


@pytest.fixture
def judged(registry: Registry, publish: Publish) -> Registry:
    """A registry in which every kind of decision was taken."""
    publish()
    reviews.approve(registry.database, opened(registry, "good", "fine"), actor="ann")
    reviews.reject(registry.database, opened(registry, "bad"), actor="ann")
    reviews.edit(registry.database, opened(registry, "better"), "yes", actor="ann")
    reviews.edit(registry.database, opened(registry, "same"), "no", actor="ann")
    opened(registry, "open")
    return registry


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("instruction", [("good", "fine", "approved"), ("better", "yes", "edited"), ("same", "no", "edited")]),
        ("messages", [("good", "fine", "approved"), ("better", "yes", "edited"), ("same", "no", "edited")]),
        ("dpo", [("better", "yes", "edited")]),
        ("kto", [("good", "fine", "approved"), ("bad", "no", "rejected")]),
    ],
)
def test_each_kind_takes_the_decisions_that_it_can_learn_from(
    judged: Registry, kind: str, found: list[tuple[str, str, str]]
) -> None:
    rows = decided(judged, TRIAGE, kind)
    assert [(row.example.input, row.example.output, row.decision) for row in rows] == found


def test_a_decision_says_why_the_answer_was_drawn_and_how_probable_that_was(judged: Registry) -> None:
    (row,) = decided(judged, TRIAGE, "dpo")
    review = reviews.reviews(judged.database, status="edited").items[0].id
    example = LabelledExample("", "better", "yes")
    assert row == Decided(example, "no", "edited", "healthcare/triage@1", "audit", 0.5, review)


def test_for_kto_each_answer_to_a_message_counts_for_itself_and_the_last_decision_on_it(judged: Registry) -> None:
    reviews.approve(judged.database, opened(judged, "Bad", "no"), actor="ann")
    reviews.reject(judged.database, opened(judged, "bad", "other"), actor="ann")
    rows = decided(judged, TRIAGE, "kto")
    assert [(row.example.input, row.answer, row.decision) for row in rows] == [
        ("good", "fine", "approved"),
        ("Bad", "no", "approved"),
        ("bad", "other", "rejected"),
    ]


def test_an_unknown_kind_is_refused_with_those_there_are(registry: Registry) -> None:
    with pytest.raises(TextError, match="there is no kind 'grpo'; there are instruction, messages, dpo, kto"):
        decided(registry, TRIAGE, "grpo")


def test_a_conversation_begins_with_the_instruction_if_there_is_one() -> None:
    example = LabelledExample("Sort.", "yes", "x", (Turn("user", "a"), Turn("assistant", "b")))
    assert [turn.role for turn in conversation_of(example)] == ["system", "user", "assistant", "user"]
    assert conversation_of(LabelledExample("", "yes", "x")) == [Turn("user", "yes")]
