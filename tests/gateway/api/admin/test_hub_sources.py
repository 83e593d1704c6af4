"""``hf://`` with the gateway's token: for admins, and for what an admin allowed a domain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from postil.registry.accounts.keys import Role
from tests.fakes.hub import Hub
from tests.fakes.hub_client import REPO, asked_hub
from tests.gateway.conftest import House
from tests.gateway.tenancy.test_roles import Staff, staff

RELEASES = "/api/v1/adapters/healthcare/triage/releases"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with a private adapter that the gateway's token may see."""
    with asked_hub(monkeypatch, tmp_path) as hub:
        hub.repos[REPO].private = True
        monkeypatch.setenv("HF_TOKEN", hub.token)
        yield hub


@pytest.fixture
async def person(house: House) -> Staff:
    """A publisher, and a domain with an adapter."""
    await house.publish("healthcare/triage")
    return await staff(house, Role.PUBLISHER, "healthcare")


async def fetch(person: Staff, repo: str = REPO) -> httpx.Response:
    return await person.ask("POST", RELEASES, json={"source": f"hf://{repo}"})


async def allow(house: House, *sources: str) -> httpx.Response:
    return await house.admin("PUT", "/api/v1/domains/healthcare/sources", json={"sources": list(sources)})


async def test_a_publisher_learns_of_a_private_repository_neither_its_content_nor_that_it_is_there(
    hub: Hub, person: Staff
) -> None:
    private, missing = await fetch(person), await fetch(person, "acme/nothing")
    assert private.status_code == missing.status_code == 422
    assert private.text.replace(REPO, "X") == missing.text.replace("acme/nothing", "X")
    assert {call[2] for call in hub.calls} == {None}


async def test_a_public_repository_is_everybodys(hub: Hub, person: Staff) -> None:
    hub.repos[REPO].private = False
    assert (await fetch(person)).status_code == 201


@pytest.mark.parametrize("source", [f"hf://{REPO}", f"hf://{REPO.partition('/')[0]}/*"])
async def test_what_an_admin_allowed_a_domain_is_fetched_with_the_token(
    hub: Hub, house: House, person: Staff, source: str
) -> None:
    response = await allow(house, source)
    assert (response.status_code, response.json()["sources"]) == (200, [source])
    assert (await fetch(person)).status_code == 201
    assert (await allow(house)).json()["sources"] == []
    assert (await fetch(person)).status_code == 422


async def test_a_source_is_allowed_for_one_domain_alone(hub: Hub, house: House, person: Staff) -> None:
    await house.publish("legal/clause")
    await allow(house, f"hf://{REPO}")
    other = await staff(house, Role.PUBLISHER, "legal", owner="bob")
    response = await other.ask("POST", "/api/v1/adapters/legal/clause/releases", json={"source": f"hf://{REPO}"})
    assert response.status_code == 422


async def test_admins_fetch_with_the_token_and_only_they_allow_sources(hub: Hub, house: House, person: Staff) -> None:
    assert (await house.admin("POST", RELEASES, json={"source": f"hf://{REPO}"})).status_code == 201
    assert await person.status("PUT", "/api/v1/domains/healthcare/sources", json={"sources": ["hf://acme/*"]}) == 403
    assert (await allow(house, "hf://*")).status_code == 400
