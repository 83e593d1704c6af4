"""Rights of tenants as clients and admins meet them."""

from __future__ import annotations

from tests.gateway.conftest import FREE_TEXT, House


async def test_a_tenant_without_the_right_cannot_ask_the_base_which_no_policy_guards(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    key = await house.tenant("firm", "legal", rights=())
    refused = await house.ask(key, model="base")
    assert refused.status_code == 403
    assert refused.json()["error"]["message"].startswith("this key may not use `base`;")
    assert (await house.ask(key, model="auto")).status_code == 200
    text = await house.client.post(
        "/v1/completions", headers={"Authorization": f"Bearer {key}"}, json={"model": "base", "prompt": "Hi"}
    )
    assert text.status_code == 403
    listed = await house.client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert "base" not in [model["id"] for model in listed.json()["data"]]


async def test_a_right_that_is_taken_is_gone_with_the_next_request(house: House) -> None:
    key = await house.tenant("firm", "legal")
    assert (await house.ask(key, model="base")).status_code == 200
    changed = await house.admin("PATCH", "/api/v1/tenants/firm/rights", json={"remove": ["base"]})
    assert (changed.status_code, changed.json()) == (200, {"rights": []})
    assert (await house.ask(key, model="base")).status_code == 403
    await house.admin("PATCH", "/api/v1/tenants/firm/rights", json={"add": ["base", "numbers"]})
    assert (await house.ask(key, model="base")).status_code == 200
    assert (await house.admin("GET", "/api/v1/tenants/firm/rights")).json() == {"rights": ["base", "numbers"]}
    (shown,) = (await house.admin("GET", "/api/v1/tenants")).json()["data"]
    assert shown["rights"] == ["base", "numbers"]


async def test_a_right_that_there_is_not_is_refused_with_those_there_are(house: House) -> None:
    await house.tenant("firm", "legal")
    refused = await house.admin("PATCH", "/api/v1/tenants/firm/rights", json={"add": ["root"]})
    assert refused.status_code == 400
    assert "base, grammars, numbers" in refused.text
