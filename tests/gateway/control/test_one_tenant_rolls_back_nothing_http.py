"""One tenant cannot take a release from others, whatever it sends; what all see takes it back, and so does a tenant
that is all alone with an adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.vllm import Reply
from tests.gateway.channel_acts import ADAPTER, canary, inside, move, opened, served, spoil, state
from tests.gateway.conftest import TRIAGE, House, until

NAME = "healthcare/triage"
# Nothing fixes how long an answer is: that is the client's wish.
OPEN = """
validators: [{name: length, config: {min_characters: 10}}]
fallback: [{name: fixed_answer, config: {content: '{"category": "needs_review"}'}}]
"""
POISON = "zalgo"
Asked = Callable[[dict[str, Any]], Reply]


@dataclass(frozen=True)
class Attack:
    """What a hostile tenant sends, and what the engine makes of it."""

    reply: Reply
    body: dict[str, Any]


# Answers that the client's own parameters spoil: no evidence even where the tenant is alone.
OWN_DOING = {
    "stop": Attack(Reply('{"cat', finish_reason="stop", stop_reason="egory"), {"stop": ["egory"]}),
    "max_tokens": Attack(Reply('{"cat', finish_reason="length"), {"max_tokens": 2}),
    "allowed_token_ids": Attack(Reply("!!!!"), {"allowed_token_ids": [5]}),
}
ATTACKS = {
    **OWN_DOING,
    "nonsense as text": Attack(Reply("nonsense"), {}),
    "integers beyond 64 bits": Attack(Reply(status=500), {"top_k": 1 << 70}),
    "a schema that refers to itself": Attack(Reply(status=500), {"response_format": {"type": "text"}, "seed": 7}),
}


def policy(name: str) -> str:
    """A policy under which an attack does something."""
    return OPEN if name in OWN_DOING else TRIAGE


def harms(house: House, attack: Attack, *numbers: int) -> None:
    """The engine answers the hostile requests so on these releases; on others, and to others, it answers well."""
    names = {inside(house, number) for number in numbers}

    def reply(body: dict[str, Any]) -> Reply:
        hostile = body["messages"][-1]["content"] == POISON and body["model"] in names
        return attack.reply if hostile else Reply()

    house.engine.reply = reply


async def attacked(house: House, key: str, attack: Attack, times: int = 60, text: str = POISON) -> None:
    """So many requests of different users; some may fail."""
    for user in range(times):
        answer = await house.ask(key, text, user=f"{key[-6:]}-{user}", **attack.body)
        assert answer.status_code in (200, 400, 403, 500, 502, 503), answer.text


async def honest(house: House, *keys: str, times: int = 30) -> None:
    """Ordinary requests of tenants."""
    for key in keys:
        await attacked(house, key, Attack(Reply(), {}), times, "my head hurts")


async def tenants(house: House) -> tuple[str, str]:
    """Two more tenants of the domain, who ask as well."""
    return await house.tenant("ward", "healthcare"), await house.tenant("mallory", "healthcare")


async def settled(house: House) -> None:
    """Nothing that was found waits to be acted on."""
    await until(house.runtime.rollback_causes.empty)
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("own_doing", [False, True])
async def test_bad_requests_of_one_tenant_do_not_end_a_canary_that_others_use(house: House, own_doing: bool) -> None:
    names = [name for name in ATTACKS if (name in OWN_DOING) is own_doing]
    clinic = await opened(house, policy=policy(names[0]))
    ward, mallory = await tenants(house)
    await canary(house, 2, 50)
    for name in names:
        harms(house, ATTACKS[name], 2)
        await honest(house, clinic, ward)
        await attacked(house, mallory, ATTACKS[name])
        await settled(house)
        assert served(house) == (1, 2), name


async def test_bad_requests_of_one_tenant_do_not_take_back_a_fresh_release(house: House) -> None:
    clinic = await opened(house)
    ward, mallory = await tenants(house)
    await honest(house, clinic, ward, mallory)
    await move(house, "promote", 2)
    for name in ("nonsense as text", "integers beyond 64 bits"):
        harms(house, ATTACKS[name], 2)
        await attacked(house, mallory, ATTACKS[name], 15)
        await settled(house)
        assert served(house) == (2, None), name


async def test_a_tenant_that_is_alone_at_night_does_not_end_a_canary_that_others_get_by_day(house: House) -> None:
    clinic = await opened(house)
    _, mallory = await tenants(house)
    await honest(house, clinic)
    await canary(house, 2, 50)
    harms(house, ATTACKS["nonsense as text"], 2)
    await attacked(house, mallory, ATTACKS["nonsense as text"])
    await settled(house)
    assert served(house) == (1, 2)


async def test_what_was_used_before_a_restart_or_at_another_gateway_is_known(house: House) -> None:
    clinic = await opened(house)
    _, mallory = await tenants(house)
    await canary(house, 2, 50)
    house.runtime.monitor.used_by({NAME: {"ward"}})
    harms(house, ATTACKS["nonsense as text"], 2)
    await attacked(house, mallory, ATTACKS["nonsense as text"])
    await settled(house)
    assert served(house) == (1, 2)
    assert clinic


async def test_what_a_clients_own_parameters_spoil_is_no_evidence_even_if_it_is_alone(house: House) -> None:
    clinic = await opened(house, policy=OPEN)
    await canary(house, 2, 50)
    for name, attack in OWN_DOING.items():
        harms(house, attack, 2)
        await attacked(house, clinic, attack)
        await settled(house)
        assert served(house) == (1, 2), name


async def test_a_tenant_alone_with_an_adapter_still_gets_its_bad_release_taken_back(house: House) -> None:
    clinic = await opened(house)
    await canary(house, 2, 50)
    harms(house, ATTACKS["nonsense as text"], 2)
    await attacked(house, clinic, ATTACKS["nonsense as text"])
    await until(lambda: served(house) == (1, None))


async def test_what_all_tenants_see_takes_a_release_back_and_the_log_says_how_many(house: House) -> None:
    clinic = await opened(house)
    ward, mallory = await tenants(house)
    await honest(house, clinic, ward, mallory, times=2)
    await canary(house, 2, 50)
    spoil(house, 2)
    for _ in range(20):
        await honest(house, clinic, ward, mallory, times=20)
        if served(house) == (1, None):
            break
    await until(lambda: served(house) == (1, None))
    event = (await state(house))["events"][-1]
    assert (event["action"], event["actor"]) == ("canary-end", "postil")
    tenants_behind = event["details"]["finding"]["tenants_affected"]
    assert event["details"]["finding"]["tenants"] == tenants_behind >= 2
    assert f"seen by {tenants_behind} of {tenants_behind} tenants" in event["reason"]
    assert "mallory" not in str(event)


async def test_publishers_see_of_how_many_tenants_evidence_is_and_only_admins_see_which(house: House) -> None:
    clinic = await opened(house)
    ward, _ = await tenants(house)
    await honest(house, clinic, ward, times=2)
    assert await house.runtime.evidence.flush()
    made = await house.admin(
        "POST", "/api/v1/keys", json={"owner": "pat", "role": "publisher", "domains": ["healthcare"]}
    )
    assert made.status_code == 201, made.text
    mine = {"Authorization": f"Bearer {made.json()['key']}"}
    shown = await house.client.get(f"{ADAPTER}/releases/1/evidence", headers=mine)
    assert shown.json()["signals"][0] == {
        "signal": "validator_failure", "seen": 4, "bad": 0, "tenants": 2, "tenants_affected": 0,
    }  # fmt: skip
    assert (await house.client.get(f"{ADAPTER}/releases/1/evidence/tenants", headers=mine)).status_code == 403
    named = (await house.admin("GET", f"{ADAPTER}/releases/1/evidence/tenants")).json()["data"]
    assert {row["tenant"] for row in named} == {"clinic", "ward"}
