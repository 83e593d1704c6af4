"""``GET /v1/models`` is made once for all who may ask the same, and is never an old one or somebody else's."""

from __future__ import annotations

from postil.gateway.api.openai.models import Lists
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.tenancy.directory import Caller
from tests.gateway.conftest import FREE_TEXT, House, bearer


async def listed(house: House, key: str) -> list[str]:
    response = await house.client.get("/v1/models", headers=bearer(key))
    assert response.headers["content-type"].startswith("application/json")
    return [card["id"] for card in response.json()["data"]]


async def test_each_sees_its_own_and_what_is_new(house: House) -> None:
    await house.publish("healthcare/triage", FREE_TEXT, seed=1)
    clinic, bank = await house.tenant("clinic", "healthcare"), await house.tenant("bank", "finance")
    triage = ["healthcare", "healthcare/triage", "healthcare/triage@1"]
    assert (await listed(house, clinic), await listed(house, bank)) == ([*triage, "base"], ["base"])
    await house.publish("finance/intent", FREE_TEXT, seed=2)
    intent = ["finance", "finance/intent", "finance/intent@1"]
    assert (await listed(house, clinic), await listed(house, bank)) == ([*triage, "base"], [*intent, "base"])
    assert await listed(house, house.admin_key) == [*intent, *triage, "base"]
    one = await house.client.get("/v1/models/finance/intent", headers=bearer(bank))
    assert one.json() == {"id": "finance/intent", "object": "model", "created": 0, "owned_by": "finance"}
    assert (await house.client.get("/v1/models/finance/intent", headers=bearer(clinic))).status_code == 404


def test_callers_of_the_same_rights_share_a_list_until_the_catalog_is_another_one() -> None:
    lists, catalog = Lists(), Catalog()
    one, other = Caller("one", frozenset({"a"})), Caller("other", frozenset({"a"}))
    assert lists.of(catalog, one) is lists.of(catalog, other)
    assert lists.of(catalog, one) is not lists.of(catalog, Caller("third", frozenset({"b"})))
    before = lists.of(catalog, one)
    assert lists.of(Catalog(), one) is not before
