"""``GET /v1/models`` is made once for all who may ask the same, and is never an old one or somebody else's."""

from __future__ import annotations

import time

import openai

from postil.gateway.api.openai.models import BaseCard, Lists
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
    assert (await listed(house, clinic), await listed(house, bank)) == (["base", *triage], ["base"])
    await house.publish("finance/intent", FREE_TEXT, seed=2)
    intent = ["finance", "finance/intent", "finance/intent@1"]
    assert (await listed(house, clinic), await listed(house, bank)) == (["base", *triage], ["base", *intent])
    assert await listed(house, house.admin_key) == ["base", *intent, *triage]
    assert (await house.client.get("/v1/models/finance/intent", headers=bearer(clinic))).status_code == 404


async def test_clients_that_take_the_first_model_get_the_one_that_answers_whatever_is_asked(
    house: House, clinic: str
) -> None:
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic) as client:
        first, *_ = [model.id async for model in client.models.list()]
    assert first == "base"
    alone = await house.tenant("firm", "healthcare", rights=())
    assert (await listed(house, alone))[0] == "healthcare"


async def test_a_card_says_when_it_was_released_how_long_its_context_is_and_what_it_is_of(house: House) -> None:
    before = int(time.time())
    await house.publish("healthcare/triage", seed=1)
    await house.publish("healthcare/triage", seed=2)
    await house.runtime.engine.client.loaded()
    response = await house.client.get("/v1/models", headers=bearer(house.admin_key))
    cards = {card["id"]: card for card in response.json()["data"]}
    for name, root in (
        ("healthcare", "healthcare/triage@2"),
        ("healthcare/triage", "healthcare/triage@2"),
        ("healthcare/triage@1", "healthcare/triage@1"),
    ):
        card = cards[name]
        assert before <= card.pop("created") <= time.time()
        assert card == {
            "id": name, "object": "model", "owned_by": "healthcare", "root": root, "parent": "base",
            "max_model_len": 2048,
        }  # fmt: skip
    base = cards["base"]
    assert before - 60 < base.pop("created") <= time.time()
    assert base == {
        "id": "base", "object": "model", "owned_by": "postil", "root": "base", "parent": None, "max_model_len": 2048,
    }  # fmt: skip


async def test_a_model_with_slashes_is_found_however_a_client_writes_them(house: House, clinic: str) -> None:
    for path in ("healthcare/triage@1", "healthcare%2Ftriage%401"):
        answer = await house.client.get(f"/v1/models/{path}", headers=bearer(clinic))
        assert answer.json()["id"] == "healthcare/triage@1"
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic) as client:
        assert (await client.models.retrieve("healthcare/triage")).created > 0
    missing = await house.client.get("/v1/models/healthcare/nothing", headers=bearer(clinic))
    error = missing.json()["error"]
    assert (missing.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")


def test_callers_of_the_same_rights_share_a_list_until_the_catalog_or_the_base_is_another_one() -> None:
    base = [BaseCard("tiny", None, 1)]
    lists, catalog = Lists(lambda: base[0]), Catalog()
    one, other = Caller("one", frozenset({"a"})), Caller("other", frozenset({"a"}))
    assert lists.of(catalog, one) is lists.of(catalog, other)
    assert lists.of(catalog, one) is not lists.of(catalog, Caller("third", frozenset({"b"})))
    before = lists.of(catalog, one)
    assert lists.of(Catalog(), one) is not before
    base[0] = BaseCard("tiny", 2048, 1)
    cards, _ = lists.of(catalog, one)
    assert cards["base"].max_model_len == 2048
