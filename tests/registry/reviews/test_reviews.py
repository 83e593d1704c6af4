"""Reviews: kept, given to somebody, decided once; and what was decided becomes training data."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from postil.plugins import ReleaseRef
from postil.registry.db.tables import Review, utcnow
from postil.registry.errors import ConflictError, NotFoundError, TextError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Output, parse_policy
from postil.registry.releases import audit, history
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.export_examples import examples
from postil.registry.reviews.reviews import ReviewRequest, fitting
from postil.registry.training.dataset import load
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
POLICY = "system_prompt: Sort it.\noutput: {labels: [symptoms, billing]}"


def opened(registry: Registry, text: str = "my head hurts", answer: str = '{"category": "billing"}') -> Review:
    """A review of release 1."""
    asked = {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": text}]}
    verdicts = [{"outcome": "failed", "reason": "unsure", "validator": "confidence"}]
    ref = ReleaseRef("healthcare", "triage", 1)
    return reviews.open_review(
        registry.database, ReviewRequest(ref, "clinic", asked, answer, "confidence: unsure", verdicts, "please wait")
    )


@pytest.fixture
def triage(registry: Registry, publish: Publish) -> Registry:
    """A registry with one release under a policy of two labels."""
    publish(policy=parse_policy(POLICY))
    return registry


def test_a_review_is_kept_as_it_was_opened(triage: Registry) -> None:
    kept = reviews.get(triage.database, opened(triage).id)
    assert (kept.status, kept.tenant, kept.holding, kept.answer) == (
        "open",
        "clinic",
        "please wait",
        '{"category": "billing"}',
    )
    assert kept.request["messages"][1]["content"] == "my head hurts"
    assert kept.verdicts[0]["validator"] == "confidence"


def test_what_is_free_for_a_person_is_found_behind_whatever_others_hold(triage: Registry) -> None:
    held, own, free = (opened(triage) for _ in range(3))
    for review, person in ((held, "rob"), (own, "ann")):
        reviews.assign(triage.database, review.id, person, actor=person)
    found = reviews.reviews(triage.database, free_for="ann").items
    assert [row.id for row in found] == [own.id, free.id]
    assert [row.id for row in reviews.reviews(triage.database, free_for="eve", limit=1).items] == [free.id]


def test_among_other_domains_a_review_is_none(triage: Registry) -> None:
    review = opened(triage)
    for wanted in (review.id, review.id[:12]):
        assert reviews.get(triage.database, wanted, ["healthcare", "legal"]).id == review.id
        for domains in (["legal"], []):
            with pytest.raises(NotFoundError, match="there is no review"):
                reviews.get(triage.database, wanted, domains)
    assert [row.id for row in reviews.reviews(triage.database, domains=["healthcare"]).items] == [review.id]
    assert reviews.reviews(triage.database, domains=["legal"]).items == []


def test_a_tenant_finds_its_own_review_by_the_whole_id_alone(triage: Registry) -> None:
    review = opened(triage)
    assert reviews.of_tenant(triage.database, review.id, "clinic", "").id == review.id
    for wanted, tenant in ((review.id, "bank"), (review.id[:12], "clinic"), ("nothing", "clinic")):
        with pytest.raises(NotFoundError, match="there is no review"):
            reviews.of_tenant(triage.database, wanted, tenant, "")


def test_an_id_may_be_cut_short_while_it_is_the_only_one(triage: Registry) -> None:
    review = opened(triage)
    assert reviews.get(triage.database, review.id[:12]).id == review.id
    for wrong in ("abc", "%", "nosuchreview", review.id[:3]):
        with pytest.raises(NotFoundError, match="there is no review"):
            reviews.get(triage.database, wrong)


def test_of_two_that_begin_alike_more_of_the_id_is_wanted(triage: Registry) -> None:
    row = opened(triage).model_dump()
    with triage.database.write() as session:
        session.add_all([Review(**{**row, "id": f"feed{last}"}) for last in "12"])
    assert reviews.get(triage.database, "feed2").id == "feed2"
    with pytest.raises(NotFoundError, match="more than one review begins with feed; give more of its id"):
        reviews.get(triage.database, "feed")


def test_a_status_that_there_is_not_is_answered_with_those_there_are(triage: Registry) -> None:
    with pytest.raises(TextError, match="there is no status 'done'; there are open, approved, edited, rejected"):
        reviews.reviews(triage.database, status="done")


def test_a_review_is_given_to_somebody_who_has_a_name(triage: Registry) -> None:
    review = opened(triage)
    with pytest.raises(TextError, match="a review is assigned to somebody; say to whom"):
        reviews.assign(triage.database, review.id, " ", actor="ann")
    assert reviews.get(triage.database, review.id).assigned_to is None


def test_each_decision_leaves_its_answer(triage: Registry) -> None:
    one, two, three = opened(triage), opened(triage), opened(triage)
    assert reviews.approve(triage.database, one.id, actor="ann").final == '{"category": "billing"}'
    assert reviews.edit(triage.database, two.id, "symptoms", actor="ann").final == '{"category": "symptoms"}'
    assert reviews.reject(triage.database, three.id, actor="ann", note="spam").final is None
    assert [review.status for review in reviews.reviews(triage.database).items] == ["approved", "edited", "rejected"]
    newest = reviews.reviews(triage.database, newest_first=True).items
    assert [review.status for review in newest] == ["rejected", "edited", "approved"]
    assert reviews.reviews(triage.database, status="open").items == []


def test_a_second_decision_is_told_of_the_first(triage: Registry) -> None:
    review = opened(triage)
    reviews.approve(triage.database, review.id, actor="ann")
    with pytest.raises(ConflictError, match=f"review {review.id[:8]} was approved by ann at"):
        reviews.reject(triage.database, review.id, actor="bob")
    with pytest.raises(ConflictError, match="already"):
        reviews.assign(triage.database, review.id, "bob", actor="bob")


def test_of_many_who_decide_at_once_one_does(triage: Registry) -> None:
    review = opened(triage)
    done, refused = [], []

    def decide(person: str) -> None:
        try:
            done.append(reviews.approve(triage.database, review.id, actor=person).decided_by)
        except ConflictError as error:
            refused.append(str(error))

    people = [threading.Thread(target=decide, args=(f"person-{number}",)) for number in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert (len(done), len(refused)) == (1, 7)
    assert all(str(done[0]) in sentence for sentence in refused)


def test_decisions_and_assignments_are_events_that_quote_nothing(triage: Registry) -> None:
    review = opened(triage)
    reviews.assign(triage.database, review.id, "bob", actor="ann")
    reviews.edit(triage.database, review.id, "symptoms", actor="bob", note="it hurts")
    events = history.log(triage.database, TRIAGE)[-2:]
    assert [(event.action, event.actor, event.reason) for event in events] == [
        ("review-assign", "ann", "bob"),
        ("review-edited", "bob", "it hurts"),
    ]
    assert all(event.details == {"review": review.id} for event in events)
    assert audit.verify(triage.database).first_break is None


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("symptoms", '{"category": "symptoms"}'),
        (' {"category":"symptoms"} ', '{"category": "symptoms"}'),
        ("needs_review", '{"category": "needs_review"}'),
    ],
)
def test_an_edit_becomes_an_answer_of_the_policy(text: str, becomes: str) -> None:
    assert fitting(text, Output(labels=("symptoms", "billing"), reject="needs_review")) == becomes


@pytest.mark.parametrize("text", ["Übelkeit", '{"category": "\\u00dcbelkeit"}'])
def test_an_edit_to_a_label_of_another_alphabet_is_kept_as_it_is_written(text: str) -> None:
    assert fitting(text, Output(labels=("Übelkeit",))) == '{"category": "Übelkeit"}'


@pytest.mark.parametrize("text", ["other", '{"category": "other"}', '{"kind": "symptoms"}', "", "[]"])
def test_an_edit_that_the_policy_does_not_allow_is_refused(text: str) -> None:
    with pytest.raises(TextError, match="is not one of symptoms, billing; give one of these"):
        fitting(text, Output(labels=("symptoms", "billing")))


def test_an_edit_under_a_schema_has_to_be_json() -> None:
    output = Output(json_schema={"type": "object"})
    assert fitting('{"a": 1}', output) == '{"a": 1}'
    with pytest.raises(TextError, match="has to be JSON"):
        fitting("a: 1", output)


def test_where_the_policy_is_silent_an_edit_may_be_any_text() -> None:
    assert fitting("Take two a day.", None) == "Take two a day."


def test_what_was_decided_is_read_by_the_training(triage: Registry, tmp_path: Path) -> None:
    for text, label in (("my head hurts", "symptoms"), ("what do I owe", "billing"), ("My  head HURTS", "symptoms")):
        reviews.edit(triage.database, opened(triage, text).id, label, actor="ann")
    reviews.reject(triage.database, opened(triage, "buy pills").id, actor="ann")
    opened(triage, "not decided yet")
    rows = examples(triage, TRIAGE)
    file = tmp_path / "decided.jsonl"
    file.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    dataset = load(file)
    assert sorted((row.message, row.label) for row in dataset.examples) == [
        ("My  head HURTS", "symptoms"),
        ("what do I owe", "billing"),
    ]
    assert dataset.examples[0].instruction == "Sort it.\n\nx"
    assert examples(triage, TRIAGE, since=utcnow() + timedelta(days=1)) == []


def test_the_last_decision_on_a_message_counts(triage: Registry) -> None:
    reviews.edit(triage.database, opened(triage).id, "billing", actor="ann")
    reviews.edit(triage.database, opened(triage).id, "symptoms", actor="bob")
    assert [row.output for row in examples(triage, TRIAGE)] == ['{"category": "symptoms"}']


def test_what_postgresql_cannot_keep_does_not_lose_a_review(triage: Registry) -> None:
    assert reviews.get(triage.database, opened(triage, answer="a\0b").id).answer == "ab"
