"""Whose turn it is: a domain's or a tenant's heavy work does not hold up another's."""

from __future__ import annotations

import asyncio

import pytest

from postil.gateway.fair_slots import FairSlots, NoSlotError


async def test_one_tenant_gets_a_quarter_of_the_places_and_a_domain_half() -> None:
    slots = FairSlots(4)
    await slots.take("legal", "firm", 1)
    with pytest.raises(NoSlotError, match="waited for its turn longer than 10 ms"):
        await slots.take("legal", "firm", 0.01)
    await slots.take("legal", "court", 1)
    with pytest.raises(NoSlotError, match="waited for its turn"):
        await slots.take("legal", "bank", 0.01)
    await slots.take("healthcare", "clinic", 1)


async def test_domains_go_round_and_within_one_its_tenants() -> None:
    slots, order = FairSlots(1), list[str]()
    await slots.take("legal", "firm", 1)

    async def wait(domain: str, tenant: str) -> None:
        await slots.take(domain, tenant, 20)
        order.append(f"{domain} {tenant}")
        slots.give(domain, tenant)

    asked = [("legal", "firm"), ("legal", "firm"), ("legal", "court"), ("healthcare", "clinic")]
    waiting = [asyncio.create_task(wait(*each)) for each in asked]
    await asyncio.sleep(0)
    slots.give("legal", "firm")
    await asyncio.gather(*waiting)
    assert order == ["healthcare clinic", "legal court", "legal firm", "legal firm"]


async def test_a_domain_that_asks_too_much_is_refused_at_once_and_no_other() -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    waiting = [asyncio.create_task(slots.take("legal", "firm", 20)) for _ in range(256)]
    await asyncio.sleep(0)
    with pytest.raises(NoSlotError, match="queue is full"):
        await slots.take("legal", "court", 20)
    other = asyncio.create_task(slots.take("healthcare", "clinic", 20))
    await asyncio.sleep(0)
    slots.give("legal", "firm")
    await other
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_leaves_in_the_moment_of_its_turn_gives_the_place_back() -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    waiting = asyncio.create_task(slots.take("legal", "court", 20))
    await asyncio.sleep(0)
    slots.give("legal", "firm")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await slots.take("legal", "firm", 1)
