"""A policy that names a release of another domain: the wall between domains holds at publish and for every request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from postil.registry.accounts.keys import Role
from postil.registry.defaults import SIGNATURE
from postil.registry.signing.bundles import sign
from tests.fakes.adapters import write_adapter
from tests.fakes.signing import KeyPair, key_pair
from tests.fakes.vllm import Reply
from tests.gateway.conftest import FREE_TEXT, House, bearer
from tests.gateway.tenancy.test_roles import Staff, staff

TRIAGE, CLAUSE = "healthcare/triage", "legal/clause"
ANSWER = "Liability is limited."
LONG = "please " * 40


def reaching(release: str) -> str:
    """A policy whose every answer fails, and that then asks another release."""
    return f"""
output: {{labels: [symptoms, billing]}}
validators: [{{name: labels}}]
fallback:
  - {{name: other_release, config: {{release: "{release}"}}}}
"""


def inside(house: House, adapter: str, number: int = 1) -> str:
    return house.runtime.catalog.current.entries[adapter].releases[number].engine_name


@pytest.fixture
async def both(house: House) -> House:
    """``legal/clause@1``, and ``healthcare/triage@1`` that falls back on it."""
    await house.publish(CLAUSE, FREE_TEXT, seed=5)
    await house.publish(TRIAGE, reaching("legal/clause@1"))
    clause = inside(house, CLAUSE)
    house.engine.reply = lambda body: Reply(ANSWER if body["model"] == clause else "no label")
    return house


def asked(house: House, adapter: str) -> int:
    """How many requests the engine had for an adapter's first release."""
    return sum(body["model"] == inside(house, adapter) for body in house.engine.requests)


async def ask(house: House, key: str, text: str = "hello", **body: Any) -> httpx.Response:
    return await house.ask(key, text, model=TRIAGE, **body)


async def test_a_caller_of_both_domains_gets_the_others_answer_without_its_log_probabilities(both: House) -> None:
    key = await both.tenant("group", "healthcare", "legal")
    answer = await ask(both, key, logprobs=True)
    assert answer.status_code == 200
    (choice,) = answer.json()["choices"]
    assert (choice["message"]["content"], choice["logprobs"]) == (ANSWER, None)
    assert answer.headers["x-postil-fallback"].startswith("other_release ")


async def test_a_caller_of_one_domain_reaches_no_other_through_a_policy_and_learns_nothing_of_it(both: House) -> None:
    key = await both.tenant("clinic", "healthcare")
    there = await ask(both, key)
    assert (there.status_code, asked(both, CLAUSE)) == (502, 0)
    await both.publish(TRIAGE, reaching("legal/clause@9"), seed=1)
    missing = await ask(both, key)
    assert missing.status_code == 502
    assert missing.text.replace("triage@2", "triage@1") == there.text


async def test_the_input_checks_of_the_other_domain_see_the_text_before_its_model(both: House) -> None:
    await both.publish(CLAUSE, "input: [{name: input_length, config: {max_characters: 100}}]", seed=6)
    await both.publish(TRIAGE, reaching(CLAUSE), seed=1)
    second = inside(both, CLAUSE, 2)
    both.engine.reply = lambda body: Reply(ANSWER if body["model"] == second else "no label")
    key = await both.tenant("group", "healthcare", "legal")
    assert (await ask(both, key, LONG)).status_code == 502
    assert second not in {body["model"] for body in both.engine.requests}
    assert (await ask(both, key, "short")).status_code == 200


async def test_a_yanked_release_is_nobodys_fallback(both: House) -> None:
    key = await both.tenant("group", "healthcare", "legal")
    assert (await ask(both, key)).status_code == 200
    yanked = await both.admin("POST", f"/api/v1/adapters/{CLAUSE}/releases/1/yank", json={"reason": "it harms"})
    assert yanked.status_code == 200
    answer = await ask(both, key)
    assert answer.status_code == 502
    assert "harms" not in answer.text


async def require(house: House, domain: str, key: KeyPair) -> None:
    body = {"keys": [key.pem]}
    response = await house.admin("PUT", f"/api/v1/domains/{domain}/signing-keys", json=body)
    assert response.status_code == 200, response.text


async def upload(house: House, adapter: str, policy: str, key: KeyPair, seed: int) -> httpx.Response:
    folder = write_adapter(house.folder / f"{adapter.replace('/', '-')}-{seed}", seed=seed)
    (folder / SIGNATURE).write_bytes(sign(folder, key.private))
    return await house.upload(adapter, folder, policy)


async def test_unsigned_weights_of_another_domain_are_not_served_in_one_that_requires_signatures(both: House) -> None:
    ours, key = key_pair(both.folder, "ours"), await both.tenant("group", "healthcare", "legal")
    await require(both, "healthcare", ours)
    assert (await ask(both, key)).status_code == 502
    assert asked(both, CLAUSE) == 0
    assert (await both.ask(key, model=CLAUSE)).status_code == 200  # in its own domain it is

    refused = await upload(both, TRIAGE, reaching("legal/clause@1"), ours, 1)
    assert refused.status_code == 422
    assert "fallback `other_release` names legal/clause@1: healthcare takes signed adapters only" in refused.text


async def test_weights_of_another_domain_that_were_signed_with_the_first_domains_key_are_served(house: House) -> None:
    ours = key_pair(house.folder, "ours")
    assert (await upload(house, CLAUSE, FREE_TEXT, ours, 5)).status_code == 201
    await require(house, "healthcare", ours)
    assert (await upload(house, TRIAGE, reaching("legal/clause@1"), ours, 1)).status_code == 201
    await house.admin("POST", f"/api/v1/adapters/{TRIAGE}/promote", json={"release": 1})
    clause = inside(house, CLAUSE)
    house.engine.reply = lambda body: Reply(ANSWER if body["model"] == clause else "no label")
    answer = await ask(house, await house.tenant("group", "healthcare", "legal"))
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER


async def publish(person: Staff, policy: str | None, seed: int) -> httpx.Response:
    """Publish with somebody's own key."""
    house = person.house
    mine = House(house.runtime, house.engine, house.url, house.client, house.folder)
    folder = write_adapter(house.folder / f"theirs-{seed}", seed=seed)
    mine.admin = lambda method, path, **arguments: house.client.request(  # type: ignore[method-assign]
        method, path, headers=bearer(person.key), **arguments
    )
    return await mine.upload(TRIAGE, folder, policy)


async def test_a_publisher_of_one_domain_can_name_no_release_of_another_nor_learn_which_there_are(both: House) -> None:
    person = await staff(both, Role.PUBLISHER, "healthcare")
    there = await publish(person, reaching("legal/clause@1"), 11)
    missing = await publish(person, reaching("legal/clause@9"), 12)
    nowhere = await publish(person, reaching("legal/nothing"), 13)
    assert [answer.status_code for answer in (there, missing, nowhere)] == [422] * 3
    assert there.json()["detail"] == missing.json()["detail"] == nowhere.json()["detail"]
    assert "names a release of legal, and this key is for healthcare only" in there.text


async def test_the_policy_in_force_does_not_lend_a_publisher_the_right_that_it_lacks(both: House) -> None:
    person = await staff(both, Role.PUBLISHER, "healthcare")
    assert (await publish(person, None, 14)).status_code == 422
    assert (await publish(await staff(both, Role.PUBLISHER, "healthcare", "legal", owner="bob"), None, 15)).is_success
