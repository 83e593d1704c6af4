"""Reviewers: what was asked and answered in their domains, and nothing of any other; and who else sees none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postil.registry.accounts.keys import Role
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, running_house
from tests.gateway.tenancy.test_roles import staff

HELD = """
output: {labels: [symptoms, appointment, billing]}
validators: [{name: confidence, config: {minimum: 0.9}}]
fallback: [{name: review, config: {content: '{"category": "wait"}'}}]
"""
NOTE = "she said her knee hurts"


@pytest.fixture
async def waiting(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[tuple[House, dict[str, str]]]:
    """A gateway with an open review in each of two domains, by domain."""
    engine_at[0].reply = lambda body: Reply(logprob=-1.0)
    async with running_house(tmp_path, *engine_at) as house:
        found = {}
        for domain in ("healthcare", "legal"):
            await house.publish(f"{domain}/triage", HELD)
            key = await house.tenant(f"a-{domain}-tenant", domain)
            found[domain] = (await house.ask(key, f"a question of {domain}")).headers["x-postil-review"]
        yield house, found


async def test_a_reviewer_sees_and_decides_those_of_its_domains_in_its_own_name(
    waiting: tuple[House, dict[str, str]],
) -> None:
    house, found = waiting
    ann = await staff(house, Role.REVIEWER, "healthcare")
    (row,) = (await ann.ask("GET", "/api/v1/reviews")).json()["data"]
    assert (row["id"], row["status"]) == (found["healthcare"], "open")
    assert (await ann.ask("GET", f"/api/v1/reviews/{row['id']}")).json()["asked"] == "a question of healthcare"
    assert (await ann.ask("GET", "/api/v1/reviews", params={"domain": "healthcare"})).json()["data"] == [row]
    decided = await ann.ask("POST", f"/api/v1/reviews/{found['healthcare'][:8]}/edit", json={"answer": "billing"})
    assert (decided.json()["decided_by"], decided.json()["final"]) == ("ann", '{"category": "billing"}')
    examples = await ann.ask("GET", "/api/v1/adapters/healthcare/triage/examples")
    assert len(examples.json()["data"]) == 1


async def test_a_review_of_another_domain_is_none_for_a_reviewer(waiting: tuple[House, dict[str, str]]) -> None:
    house, found = waiting
    ann = await staff(house, Role.REVIEWER, "healthcare")
    before = (await house.admin("GET", f"/api/v1/reviews/{found['legal']}")).json()
    for wanted in (found["legal"], found["legal"][:8]):
        nothing = (await ann.ask("GET", f"/api/v1/reviews/{'f' * len(wanted)}")).json()["detail"]
        acts: list[tuple[str, str, dict[str, str]]] = [("GET", "", {}), ("POST", "/assign", {"person": "me"})]
        acts += [("POST", f"/{each}", {}) for each in ("approve", "edit", "reject")]
        for method, action, body in acts:
            response = await ann.ask(method, f"/api/v1/reviews/{wanted}{action}", json=body)
            assert response.status_code == 404, action
            assert response.json()["detail"].replace(wanted, "") == nothing.replace("f" * len(wanted), "")
    assert await ann.status("GET", "/api/v1/reviews", params={"domain": "legal"}) == 403
    assert await ann.status("GET", "/api/v1/adapters/legal/triage/examples") == 403
    assert (await house.admin("GET", f"/api/v1/reviews/{found['legal']}")).json() == before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PUBLISHER])
async def test_who_does_not_review_sees_nothing_of_what_was_asked_or_remarked(
    waiting: tuple[House, dict[str, str]], role: Role
) -> None:
    house, found = waiting
    await house.admin("POST", f"/api/v1/reviews/{found['healthcare']}/approve", json={"note": NOTE})
    someone = await staff(house, role, *(["healthcare"] if role is Role.PUBLISHER else []))
    for path in ("/api/v1/events", "/api/v1/adapters", "/api/v1/adapters/healthcare/triage", "/api/v1/status"):
        response = await someone.ask("GET", path)
        assert response.status_code == 200
        assert NOTE not in response.text
        assert "a question of" not in response.text
    assert NOTE in (await house.admin("GET", "/api/v1/events")).text
    assert await someone.status("GET", f"/api/v1/reviews/{found['healthcare']}") == 403
