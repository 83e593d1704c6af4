"""Who may ask what, and under which names."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from postil.gateway.server.demo import ADAPTERS
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house


@pytest.mark.parametrize("model", [None, "auto", "healthcare", "healthcare/triage", "healthcare/triage@1"])
async def test_every_name_of_a_live_release_leads_to_it(house: House, clinic: str, model: str | None) -> None:
    response = await house.ask(clinic, model=model)
    assert response.headers["x-postil-release"] == "healthcare/triage@1"


async def test_a_release_that_is_not_live_answers_to_its_number_where_a_tenant_may_ask_so(house: House) -> None:
    await house.publish("healthcare/triage")
    lab = await house.tenant("lab", "healthcare", rights=["numbers"])
    assert await house.publish("healthcare/triage", seed=1, live=False) == 2
    assert (await house.ask(lab)).headers["x-postil-release"] == "healthcare/triage@1"
    assert (await house.ask(lab, model="healthcare/triage@2")).headers["x-postil-release"] == "healthcare/triage@2"


async def test_another_domain_is_not_there(house: House, clinic: str) -> None:
    await house.publish("legal/clause", FREE_TEXT)
    for model in ("legal", "legal/clause", "legal/clause@1", "legal/unknown"):
        response = await house.ask(clinic, model=model)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "model", ["nothing", "healthcare/other", "healthcare/triage@9", "healthcare/triage@", "", "a/b/c"]
)
async def test_an_unknown_name_is_not_found_in_openais_shape(house: House, clinic: str, model: str) -> None:
    response = await house.ask(clinic, model=model)
    assert response.status_code == 404
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "model_not_found"


async def test_what_was_never_promoted_is_not_live(house: House) -> None:
    await house.publish("healthcare/triage", live=False)
    key = await house.tenant("clinic", "healthcare")
    response = await house.ask(key)
    assert response.status_code == 404
    assert "promote" in response.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}])
async def test_without_a_known_key_nothing_is_answered(house: House, headers: dict[str, str]) -> None:
    for path in ("/v1/chat/completions", "/v1/completions"):
        response = await house.client.post(path, headers=headers, json={"messages": []})
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
    assert (await house.client.get("/v1/models", headers=headers)).status_code == 401
    assert house.engine.requests == []


async def test_the_admin_may_ask_everything_but_has_no_default(house: House, clinic: str) -> None:
    assert (await house.ask(house.admin_key, model="healthcare")).status_code == 200
    response = await house.ask(house.admin_key)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "model"


async def test_the_models_are_those_that_the_key_may_ask(house: House, clinic: str) -> None:
    await house.publish("legal/clause", FREE_TEXT)
    listed = (await house.client.get("/v1/models", headers=bearer(clinic))).json()
    names = [model["id"] for model in listed["data"]]
    assert names == ["base", "healthcare", "healthcare/triage", "healthcare/triage@1"]
    for model in ("healthcare/triage@1", "base"):
        assert (await house.client.get(f"/v1/models/{model}", headers=bearer(clinic))).json()["id"] == model
    hidden = await house.client.get("/v1/models/legal", headers=bearer(clinic))
    assert hidden.status_code == 404
    assert hidden.json()["error"]["code"] == "model_not_found"


async def test_the_first_adapter_of_a_domain_is_its_default(house: House, clinic: str) -> None:
    await house.publish("healthcare/summary", FREE_TEXT)
    assert (await house.ask(clinic, model="healthcare")).headers["x-postil-release"] == "healthcare/triage@1"


async def test_a_removed_tenant_is_refused_at_once(house: House, clinic: str) -> None:
    assert (await house.admin("DELETE", "/api/v1/tenants/clinic")).status_code == 204
    assert (await house.ask(clinic)).status_code == 401


async def test_demo_keys_exist_with_the_demo_on_loopback_only(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        for name in ADAPTERS:  # What is there already the demo leaves alone; the tiny base cannot carry its own.
            await house.publish(name)
        assert (await house.ask("demo-clinic")).status_code == 401
    for host, status in (("127.0.0.1", 200), ("0.0.0.0", 401)):
        async with running_house(tmp_path, *engine_at, demo=True, host=host) as house:
            assert (await house.ask("demo-clinic")).status_code == status


async def test_openais_client_works_unmodified(house: House, clinic: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic, max_retries=0) as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "my head hurts"}]
        whole = await client.chat.completions.create(model="healthcare", messages=messages)
        assert whole.choices[0].message.content == '{"category": "symptoms"}'
        stream = await client.chat.completions.create(model="healthcare", messages=messages, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == '{"category": "symptoms"}'
        first, *_ = [model.id async for model in client.models.list()]
        assert first == "base"
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await client.chat.completions.create(model="nothing", messages=messages)
