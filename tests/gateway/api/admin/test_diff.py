"""Comparing releases over the admin API."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import FREE_TEXT, TRIAGE, House


async def test_two_releases_are_compared(house: House) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    await house.publish("healthcare/triage", TRIAGE.replace("minimum: 0.5", "minimum: 0.75"), seed=1)
    params = {"from": "healthcare/triage@1", "to": "healthcare/triage@2"}
    response = await house.admin("GET", "/api/v1/diff", params=params)
    assert response.status_code == 200
    found = response.json()
    assert (found["from"]["release"], found["to"]["release"]) == ("healthcare/triage@1", "healthcare/triage@2")
    assert found["policy"] == [{"path": "validators[confidence].config.minimum", "before": 0.5, "after": 0.75}]
    assert [(kind["kind"], kind["state"], kind["modules"]) for kind in found["kinds"]] == [
        ("q_proj", "changed", 1), ("v_proj", "changed", 1),
    ]  # fmt: skip
    assert found["modules"][0]["module"] == "model.layers.0.self_attn.q_proj"
    assert found["modules"][0]["update"] > 0
    assert {"name": "rank", "before": 2, "after": 2, "change": 0} in found["adapter"]
    assert found["problem"] is None


async def test_a_prompt_comes_line_by_line_and_a_value_that_is_not_there_is_left_out(house: House) -> None:
    await house.publish("legal/notes", "system_prompt: Answer.")
    await house.publish("legal/notes", "{system_prompt: Answer shortly., defaults: {temperature: 0}}")
    found = (await house.admin("GET", "/api/v1/diff", params={"from": "legal/notes@1", "to": "legal/notes@2"})).json()
    prompt, defaults = found["policy"]
    assert prompt["lines"] == ["@@ -1 +1 @@", "-Answer.", "+Answer shortly."]
    assert defaults == {"path": "defaults", "after": {"temperature": 0}}


async def test_one_release_alone_is_compared_with_the_live_one(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/notes", FREE_TEXT, seed=1, live=False)
    found = (await house.admin("GET", "/api/v1/diff", params={"to": "legal/notes@2"})).json()
    assert (found["from"]["number"], found["to"]["number"]) == (1, 2)


@pytest.mark.parametrize(
    ("params", "status", "says"),
    [
        ({"to": "legal/notes@1"}, 409, "legal/notes@1 is the live release itself"),
        ({"to": "legal/quiet@1"}, 409, "no release of legal/quiet is live"),
        ({"to": "legal/notes@9"}, 404, "there is no release legal/notes@9"),
        ({"from": "legal/none@1", "to": "legal/notes@1"}, 404, "there is no adapter legal/none"),
        ({"from": "legal", "to": "legal/notes@1"}, 400, "such as healthcare/triage@4"),
        ({"from": "legal/notes@1"}, 400, "to"),
    ],
)
async def test_what_cannot_be_compared_is_said(house: House, params: dict[str, str], status: int, says: str) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/quiet", FREE_TEXT, live=False)
    response = await house.admin("GET", "/api/v1/diff", params=params)
    assert response.status_code == status
    assert says in response.json()["detail"]


async def test_only_the_admin_may_compare(house: House, clinic: str) -> None:
    params = {"from": "healthcare/triage@1", "to": "healthcare/triage@1"}
    response = await house.client.get("/api/v1/diff", params=params, headers={"Authorization": f"Bearer {clinic}"})
    assert response.status_code == 403
