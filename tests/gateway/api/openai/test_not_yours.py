"""What is not there and what is not for this key look the same."""

from __future__ import annotations

import pytest

from postil.registry.accounts.keys import Role
from tests.gateway.conftest import House, bearer
from tests.gateway.tenancy.test_roles import staff


@pytest.fixture
async def clinic(house: House) -> str:
    """A tenant of one domain, beside another domain."""
    await house.publish("healthcare/triage")
    await house.publish("legal/clause", seed=1)
    return await house.tenant("clinic", "healthcare")


@pytest.mark.parametrize(
    ("theirs", "nobodys"),
    [("legal", "banana"), ("legal/clause", "banana/clause"), ("legal/clause@1", "banana/clause@1")],
)
async def test_another_domain_looks_like_one_that_is_not_there_to_a_tenant(
    house: House, clinic: str, theirs: str, nobodys: str
) -> None:
    there, missing = await house.ask(clinic, model=theirs), await house.ask(clinic, model=nobodys)
    assert there.status_code == missing.status_code == 404
    assert there.text == missing.text.replace(nobodys, theirs)
    one = await house.client.get(f"/v1/models/{theirs}", headers=bearer(clinic))
    assert one.status_code == 404
    usage = await house.client.get(f"/v1/usage?adapter={theirs.partition('@')[0]}", headers=bearer(clinic))
    empty = await house.client.get(f"/v1/usage?adapter={nobodys.partition('@')[0]}", headers=bearer(clinic))
    assert (usage.status_code, usage.text) == (empty.status_code, empty.text.replace(nobodys, theirs))


OF_A_DOMAIN = [
    ("GET", "/api/v1/adapters/{}/clause"),
    ("GET", "/api/v1/adapters/{}/clause/releases"),
    ("GET", "/api/v1/adapters/{}/clause/agreement"),
    ("GET", "/api/v1/adapters/{}/clause/examples"),
    ("GET", "/api/v1/adapters/{}/clause/releases/1/artifact"),
    ("POST", "/api/v1/adapters/{}/clause/promote"),
    ("POST", "/api/v1/adapters/{}/clause/releases/1/yank"),
    ("PUT", "/api/v1/domains/{}/default"),
    ("GET", "/api/v1/events?adapter={}/clause"),
    ("GET", "/api/v1/diff?to={}/clause@1"),
    ("GET", "/api/v1/reviews?domain={}"),
]


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.REVIEWER])
async def test_another_domain_looks_like_one_that_is_not_there_to_those_who_work_on_one(
    house: House, clinic: str, role: Role
) -> None:
    person = await staff(house, role, "healthcare")
    for method, path in OF_A_DOMAIN:
        there, missing = await person.ask(method, path.format("legal")), await person.ask(method, path.format("banana"))
        assert there.status_code == missing.status_code == 403, path
        assert there.json()["detail"] == missing.json()["detail"], path
