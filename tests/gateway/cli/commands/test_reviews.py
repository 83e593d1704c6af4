"""Reviews, as a reviewer sees them: all that are open, oldest first, and the whole conversation of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from postil.plugins import ReleaseRef
from postil.registry.reviews.reviews import ReviewRequest, open_review
from postil.registry.training.dataset import load
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import TRIAGE, House


def opened(house: House, number: int, *before: str, last: str = "yes") -> str:
    """Open a review of a conversation that ends with ``last``; returns its id."""
    roles = ("user", "assistant")
    said = [{"role": roles[place % 2], "content": content} for place, content in enumerate(before)]
    body = {"messages": [*said, {"role": "user", "content": last}]}
    ref = ReleaseRef("healthcare", "triage", 1)
    answer = '{"category": "billing"}'
    opening = ReviewRequest(ref, f"clinic{number:03}", body, answer, "unsure", [], None)
    return open_review(house.runtime.registry.database(), opening).id


async def test_of_105_open_reviews_all_are_listed_and_the_oldest_first(house: House) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    wanted = [opened(house, number) for number in range(105)]
    status, out, complaints = await postil(house, "reviews", "list", "--json")
    assert (status, complaints) == (0, "")
    assert [row["id"] for row in json.loads(out)["data"]] == wanted
    _, out, _ = await postil(house, "reviews", "list")
    assert [line.split()[0] for line in out.splitlines()[1:]] == [review[:8] for review in wanted]
    status, out, complaints = await postil(house, "reviews", "list", "--limit", "2", "--newest-first", "--json")
    assert [row["id"] for row in json.loads(out)["data"]] == wanted[:-3:-1]
    assert "2 shown; there are more" in complaints


async def test_the_api_gives_them_page_by_page(house: House) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    wanted = [opened(house, number) for number in range(7)]
    found: list[str] = []
    params: dict[str, Any] = {"limit": 3, "status": "open"}
    while True:
        page = (await house.admin("GET", "/api/v1/reviews", params=params)).json()
        found += [row["id"] for row in page["data"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert found == wanted


async def test_a_chat_that_ends_in_yes_is_shown_and_exported_with_all_that_was_said(
    house: House, tmp_path: Path
) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    chats = [("I was billed twice", "Shall I\u2028refund it?"), ("My knee hurts", "Is it red?")]
    reviews = [opened(house, 1, *chat) for chat in chats]
    _, out, _ = await postil(house, "reviews", "show", reviews[0])
    assert "user: I was billed twice" in out
    assert "assistant: Shall I" in out
    assert "user: yes" in out
    await postil(house, "reviews", "approve", reviews[0])
    await postil(house, "reviews", "edit", reviews[1], "symptoms")
    out_file = tmp_path / "decided.jsonl"
    status, out, _ = await postil(house, "data", "export", "--adapter", "healthcare/triage", "--out", str(out_file))
    assert (status, out) == (0, f"2 examples in {out_file}\n")
    assert len(out_file.read_text(encoding="utf-8").splitlines()) == 2, "other readers end lines elsewhere too"
    assert [(row.message, row.label, [text for _, text in row.history]) for row in load(out_file).examples] == [
        ("yes", "billing", ["I was billed twice", "Shall I\u2028refund it?"]),
        ("yes", "symptoms", ["My knee hurts", "Is it red?"]),
    ]


async def test_ones_own_decision_is_undone(house: House) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    review = opened(house, 1)
    for arguments, said in (
        (("reject", review), "is rejected"),
        (("undo", review), "is open again"),
        (("approve", review), "is approved"),
    ):
        status, out, complaints = await in_process(house, "reviews", *arguments)
        assert (status, said in out, complaints) == (0, True, "")
    other = opened(house, 2)
    status, _, complaints = await in_process(house, "reviews", "undo", other)
    assert (status, "is open; there is nothing to undo" in complaints) == (1, True)
    _, out, _ = await in_process(house, "log", "--limit", "3")
    assert "review-undo" in out


async def test_who_acts_is_named_as_they_are_called(house: House) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    status, _, complaints = await postil(house, "tenants", "add", "clinic", "--domain", "healthcare", LOGNAME="jürgen")
    assert (status, complaints) == (0, "")
    (event,) = (await house.admin("GET", "/api/v1/events?newest_first=true&limit=1")).json()["data"]
    assert event["actor"].startswith("jürgen@")
    review = opened(house, 1)
    await postil(house, "reviews", "assign", review, "jürgen")
    _, out, _ = await postil(house, "reviews", "list", "--mine", "--json", LOGNAME="jürgen")
    assert [row["id"] for row in json.loads(out)["data"]] == [review]
