"""Whose turn it is: a domain's or a tenant's heavy work does not hold up another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from postil.gateway.fair_slots import OF_A_TENANT, FairSlots, NoSlotError


@pytest.fixture
async def ended() -> AsyncIterator[list[asyncio.Task[None]]]:
    """Calls that are cancelled when a test is over."""
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
    tasks = [asyncio.create_task(wait(*each)) for each in asked]
    await asyncio.sleep(0)
    slots.give("legal", "firm")
    await asyncio.gather(*tasks)
    assert order == ["healthcare clinic", "legal court", "legal firm", "legal firm"]


async def waiting(slots: FairSlots, domain: str, tenant: str, number: int) -> list[asyncio.Task[None]]:
    """So many calls that wait for their turn."""
    tasks = [asyncio.create_task(slots.take(domain, tenant, 20)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_a_tenant_that_fills_its_queue_is_refused_at_once_and_no_other_of_its_domain(
    ended: list[asyncio.Task[None]],
) -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    ended += await waiting(slots, "legal", "firm", OF_A_TENANT)
    with pytest.raises(NoSlotError, match="tenant's queue is full"):
        await slots.take("legal", "firm", 20)
    court, clinic = await waiting(slots, "legal", "court", 1) + await waiting(slots, "healthcare", "clinic", 1)
    slots.give("legal", "firm")
    await clinic
    slots.give("healthcare", "clinic")
    await court


async def test_many_tenants_of_a_domain_fill_its_queue_and_no_other_domains(ended: list[asyncio.Task[None]]) -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    for number in range(512 // OF_A_TENANT):
        ended += await waiting(slots, "legal", f"firm-{number}", OF_A_TENANT)
    with pytest.raises(NoSlotError, match="domain's queue is full"):
        await slots.take("legal", "court", 20)
    (clinic,) = await waiting(slots, "healthcare", "clinic", 1)
    slots.give("legal", "firm")
    await clinic


async def test_what_waits_is_bounded_in_all(ended: list[asyncio.Task[None]]) -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    for number in range(2048 // OF_A_TENANT):
        ended += await waiting(slots, f"domain-{number // 8}", f"firm-{number}", OF_A_TENANT)
    with pytest.raises(NoSlotError, match="the queue is full"):
        await slots.take("legal", "court", 20)


async def test_a_slot_that_is_given_in_the_turn_of_a_cancelled_wait_goes_to_the_next() -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    (gone,) = await waiting(slots, "legal", "court", 1)
    (stays,) = await waiting(slots, "legal", "bank", 1)
    gone.cancel()
    slots.give("legal", "firm")  # Before the cancelled task runs: InvalidStateError here, and the slot was lost.
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    slots.give("legal", "bank")
    await slots.take("legal", "firm", 1)


async def test_who_leaves_in_the_moment_of_its_turn_gives_the_place_back() -> None:
    slots = FairSlots(1)
    await slots.take("legal", "firm", 1)
    (court,) = await waiting(slots, "legal", "court", 1)
    slots.give("legal", "firm")
    court.cancel()
    await asyncio.gather(court, return_exceptions=True)
    await slots.take("legal", "firm", 1)
