"""Reviews on the console: the queue, what a reviewer sees of hostile texts, and decisions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from postil.registry.accounts.keys import Role
from postil.registry.db.tables import utcnow
from postil.registry.reviews import reviews
from postil.registry.reviews.claims import claim
from postil.registry.text import CONTROLS
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.api.console.conftest import People, forms
from tests.gateway.conftest import House, running_house

HELD = """
output: {labels: [symptoms, appointment, billing]}
validators: [{name: confidence, config: {minimum: 0.9}}]
fallback: [{name: review, config: {content: '{"category": "wait"}'}}]
"""
FREE = """
system_prompt: Answer.
validators: [{name: pii}]
fallback: [{name: review, config: {content: 'wait'}}]
"""
HOSTILE = "</p><script>alert(1)</script> {{ 7*7 }} \x1b[31m \u202e <form action=/console/logout>"
# Each range of what is escaped, by its ends.
UNSEEN = "\x08\x0b\x1f\x7f\x9f\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufff9\ufffb\U000e0000\U000e007f"


@dataclass
class Reviewing:
    """A gateway with open reviews, by what was asked."""

    house: House
    people: People
    keys: dict[str, str]

    async def ask(self, domain: str, text: str, logprob: float = -1.0, answer: str | None = None) -> str:
        """Ask; returns the id of the review."""
        reply = Reply(logprob=logprob) if answer is None else Reply(answer)
        self.house.engine.reply = lambda body: reply
        found = (await self.house.ask(self.keys[domain], text)).headers["x-postil-review"]
        return str(found)

    async def status(self, review: str) -> tuple[str, str | None, str | None]:
        row = (await self.house.admin("GET", f"/api/v1/reviews/{review}")).json()
        return row["status"], row["decided_by"], row["final"]


@pytest.fixture
async def desk(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[Reviewing]:
    async with running_house(tmp_path, *engine_at) as house:
        keys = {}
        for domain, policy in (("healthcare", HELD), ("legal", FREE)):
            await house.publish(f"{domain}/triage", policy)
            keys[domain] = await house.tenant(f"a-{domain}-tenant", domain)
        people = People(house)
        yield Reviewing(house, people, keys)
        await people.close()


async def test_hostile_texts_stay_texts(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", HOSTILE + UNSEEN)
    text = await (await desk.people.signed_in(Role.REVIEWER, "healthcare")).text(f"/console/reviews/{review}")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} \\u001b[31m \\u202e" in text
    assert CONTROLS.findall(text) == []
    assert all(f"\\u{ord(one):04x}" in text or f"\\U{ord(one):08x}" in text for one in UNSEEN)
    assert forms(text) == {f"/console/reviews/{review}/{act}" for act in ("edit", "approve", "reject")}


async def test_where_a_check_failed_is_marked(desk: Reviewing) -> None:
    review = await desk.ask("legal", "who is it", answer="write to <b>jo.doe@example.com</b> today")
    text = await (await desk.people.signed_in()).text(f"/console/reviews/{review}")
    assert "<mark>" in text
    assert text.partition("<mark>")[2].partition("</mark>")[0].startswith("jo.doe@example.com")


async def test_a_label_is_a_button_none_is_chosen_beforehand_and_the_next_review_follows(desk: Reviewing) -> None:
    first, second = [await desk.ask("healthcare", text) for text in ("one", "two")]
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    text = await ann.text(f"/console/reviews/{first}")
    assert [text.count(f'name="answer" value="{label}"') for label in ("symptoms", "appointment", "billing")] == [
        1,
        1,
        1,
    ]
    assert "checked" not in text
    assert "autofocus" not in text
    answer = await ann.send(f"/console/reviews/{first}/edit", note="clearly", answer="billing")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/reviews/{second}")
    assert await desk.status(first) == ("edited", "ann", '{"category": "billing"}')
    assert "The answer that stands: <strong>billing</strong>" in await ann.text(f"/console/reviews/{first}")
    answer = await ann.send(f"/console/reviews/{second}/reject")
    assert answer.headers["location"] == "/console/reviews"
    assert "No other review waits for you" in await ann.text("/console/reviews")
    assert "No other review waits for you" not in await ann.text("/console/reviews?done=all")


async def test_who_chooses_the_models_own_label_approves_it(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", "one")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    await ann.send(f"/console/reviews/{review}/edit", answer="symptoms")
    assert (await desk.status(review))[0] == "approved"


async def test_a_decision_answers_the_call_that_waits_for_it(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", "one")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    await ann.send(f"/console/reviews/{review}/approve")
    headers = {"Authorization": f"Bearer {desk.keys['healthcare']}"}
    told = (await desk.house.client.get(f"/v1/reviews/{review}?wait=5", headers=headers)).json()
    assert (told["status"], told["answer"]) == ("approved", '{"category": "symptoms"}')


async def test_a_free_text_is_corrected_by_writing_it(desk: Reviewing) -> None:
    review = await desk.ask("legal", "who", answer="write to jo@example.com")
    browser = await desk.people.signed_in()
    assert "<textarea" in await browser.text(f"/console/reviews/{review}")
    assert (await browser.send(f"/console/reviews/{review}/edit", answer=" ")).status_code == 400
    await browser.send(f"/console/reviews/{review}/edit", answer="ask Jo\r\nor Ann")
    assert (await desk.status(review))[2] == "ask Jo\nor Ann"


async def test_what_is_decided_is_not_decided_again(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", "one")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    await ann.send(f"/console/reviews/{review}/approve")
    rob = await desk.people.signed_in(Role.REVIEWER, "healthcare", owner="rob")
    answer = await rob.send(f"/console/reviews/{review}/reject")
    assert (answer.status_code, "was approved by ann" in answer.text) == (409, True)
    assert forms(await rob.text(f"/console/reviews/{review}")) == set()


async def test_a_claimed_review_is_shown_with_its_holder_and_is_not_the_next_of_anybody_else(desk: Reviewing) -> None:
    first, second, third = [await desk.ask("healthcare", text) for text in ("one", "two", "three")]
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    rob = await desk.people.signed_in(Role.REVIEWER, "healthcare", owner="rob")
    assert (await ann.send(f"/console/reviews/{second}/claim")).status_code == 303
    assert "You have claimed it." in await ann.text(f"/console/reviews/{second}")
    assert "with ann" in await rob.text("/console/reviews")
    assert second in await ann.text("/console/reviews?mine=1")
    assert second not in await rob.text("/console/reviews?mine=1")
    answer = await rob.send(f"/console/reviews/{first}/approve")
    assert answer.headers["location"] == f"/console/reviews/{third}"


async def test_who_opens_a_review_has_it_for_a_while_and_others_can_only_read_it(desk: Reviewing) -> None:
    first, second = [await desk.ask("healthcare", text) for text in ("one", "two")]
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    rob = await desk.people.signed_in(Role.REVIEWER, "healthcare", owner="rob")
    assert "it is yours until" in await ann.text(f"/console/reviews/{first}")
    assert "with ann" in await rob.text("/console/reviews")
    page = await rob.text(f"/console/reviews/{first}")
    assert "ann has it until" in page
    assert forms(page) == set()
    for what in ("claim", "approve", "edit", "reject"):
        answer = await rob.send(f"/console/reviews/{first}/{what}", **({"answer": "billing"} if what == "edit" else {}))
        assert (answer.status_code, "is with ann until" in answer.text) == (409, True), what
    refused = await desk.house.admin("POST", f"/api/v1/reviews/{first}/approve", json={})
    assert (refused.status_code, "is with ann until" in refused.text) == (409, True)
    await ann.text(f"/console/reviews/{second}")
    assert "it is yours until" in await rob.text(f"/console/reviews/{first}")


async def test_a_claim_ends_by_itself(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", "one")
    database = desk.house.runtime.registry.database()
    claim(database, review, "ann", now=utcnow() - timedelta(hours=1), lasts=timedelta(minutes=10))
    rob = await desk.people.signed_in(Role.REVIEWER, "healthcare", owner="rob")
    assert "with ann" not in await rob.text("/console/reviews")
    assert "it is yours until" in await rob.text(f"/console/reviews/{review}")


async def test_ones_last_decision_is_undone_and_what_left_stays(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", "one")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    await ann.send(f"/console/reviews/{review}/edit", answer="billing")
    undo = f"/console/reviews/{review}/undo"
    assert forms(await ann.text("/console/reviews")) == {undo}
    assert forms(await ann.text(f"/console/reviews/{review}")) == {undo}
    rob = await desk.people.signed_in(Role.REVIEWER, "healthcare", owner="rob")
    assert forms(await rob.text(f"/console/reviews/{review}")) == set()
    assert (await rob.send(undo)).status_code == 409
    answer = await ann.send(undo)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/reviews/{review}")
    assert await desk.status(review) == ("open", None, None)
    text = await ann.text(f"/console/reviews/{review}")
    assert "Undone: it is open again" in text
    assert "The client was told of the first decision; yours is a label." in text
    assert undo not in forms(text)
    headers = {"Authorization": f"Bearer {desk.keys['healthcare']}"}
    told = (await desk.house.client.get(f"/v1/reviews/{review}?wait=5", headers=headers)).json()
    assert (told["status"], told["answer"]) == ("edited", '{"category": "billing"}')
    assert (await ann.send(undo)).status_code == 409
    await ann.send(f"/console/reviews/{review}/approve")
    assert await desk.status(review) == ("approved", "ann", '{"category": "symptoms"}')
    told = (await desk.house.client.get(f"/v1/reviews/{review}", headers=headers)).json()
    assert (told["status"], told["answer"]) == ("edited", '{"category": "billing"}')


async def test_the_next_review_is_found_behind_any_number_that_others_hold(desk: Reviewing) -> None:
    ids = [await desk.ask("healthcare", str(number)) for number in range(53)]
    database = desk.house.runtime.registry.database()
    for review in ids[1:-1]:
        reviews.assign(database, review, "rob", actor="rob")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    answer = await ann.send(f"/console/reviews/{ids[0]}/approve")
    assert answer.headers["location"] == f"/console/reviews/{ids[-1]}"


async def test_a_reviewer_has_the_reviews_of_its_domains_alone(desk: Reviewing) -> None:
    own, other = await desk.ask("healthcare", "one"), await desk.ask("legal", "two", answer="jo@example.com")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    for path in ("/console", "/console/reviews", "/console/reviews?status=all"):
        text = await ann.text(path)
        assert "legal" not in text, path
    assert own in await ann.text("/console/reviews")
    assert (await ann.get("/console/reviews?domain=legal")).status_code == 403
    assert (await ann.get(f"/console/reviews/{other}")).status_code == 404
    for what in ("claim", "approve", "edit", "reject", "undo"):
        assert (await ann.send(f"/console/reviews/{other}/{what}")).status_code == 404, what
    assert "1 review of healthcare" in await ann.text("/console")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PUBLISHER])
async def test_who_does_not_review_has_no_page_of_reviews(desk: Reviewing, role: Role) -> None:
    review = await desk.ask("healthcare", "a secret question")
    browser = await desk.people.signed_in(role, *(["healthcare"] if role is Role.PUBLISHER else []))
    for path in ("/console/reviews", f"/console/reviews/{review}"):
        assert (await browser.get(path)).status_code == 403
    assert (await browser.send(f"/console/reviews/{review}/approve")).status_code == 403
    home = await browser.text("/console")
    assert "/console/reviews" not in home
    assert "1 review" not in home


async def test_to_read_a_review_is_recorded(desk: Reviewing) -> None:
    review = await desk.ask("healthcare", "one")
    ann = await desk.people.signed_in(Role.REVIEWER, "healthcare")
    await ann.text(f"/console/reviews/{review}")
    events = (await desk.house.admin("GET", "/api/v1/events", params={"newest_first": True, "limit": 1})).json()["data"]
    assert (events[0]["actor"], events[0]["details"]["review"]) == ("ann", review)


async def test_a_filter_or_cursor_that_means_nothing_is_refused(desk: Reviewing) -> None:
    browser = await desk.people.signed_in()
    for query in ("status=none", "domain=No.such", "after=x"):
        assert 400 <= (await browser.get(f"/console/reviews?{query}")).status_code < 500, query
