"""No publisher fills the disk: releases, bytes and uploads are bounded, and a refusal says what helps."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from postil.registry.accounts.keys import Role
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house
from tests.gateway.tenancy.test_roles import Staff, staff

RELEASES = "/api/v1/adapters/healthcare/triage/releases"
QUOTAS = "/api/v1/domains/healthcare/quotas"


async def upload(house: House, seed: int) -> Any:
    """Publish an adapter with weights of its own."""
    return await house.upload("healthcare/triage", write_adapter(house.folder / uuid.uuid4().hex, seed=seed))


async def test_a_domain_that_is_full_takes_no_release_until_an_admin_raises_its_quota(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, releases_per_domain=1) as house:
        assert (await upload(house, 0)).status_code == 201
        refused = await upload(house, 1)
        assert refused.status_code == 409
        assert "postil domains quota healthcare --releases 2" in refused.json()["detail"]
        (domain,) = (await house.admin("GET", "/api/v1/domains")).json()["data"]
        assert (domain["quotas"]["releases"], domain["quotas"]["own"]) == (1, [])
        pub = await staff(house, Role.PUBLISHER, "healthcare")
        assert await pub.status("PUT", QUOTAS, json={"releases": 9}) == 403
        made = await house.admin("PUT", QUOTAS, json={"releases": 2, "reason": "grown"})
        assert (made.json()["releases"], made.json()["own"]) == (2, ["releases"])
        assert (await house.admin("GET", QUOTAS)).json() == made.json()
        assert (await upload(house, 1)).status_code == 201
        assert (await house.admin("PUT", QUOTAS, json={"releases": 0})).status_code == 400
        assert (await house.admin("PUT", "/api/v1/domains/nothing/quotas", json={})).status_code == 404


async def test_a_disk_without_room_takes_no_upload_and_says_so_before_it_is_read(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, min_free_mib=1 << 40) as house:
        refused = await upload(house, 0)
        assert refused.status_code == 507
        assert "POSTIL_MIN_FREE_MIB" in refused.json()["detail"]
        assert "postil gc" in refused.json()["detail"]
        from_hub = await house.admin("POST", RELEASES, json={"source": "hf://org/name"})
        assert from_hub.status_code == 507


async def slowly(gate: asyncio.Event) -> AsyncIterator[bytes]:
    """A body that does not end until the gate opens."""
    yield b"--x\r\n"
    await gate.wait()


async def send(publisher: Staff, gate: asyncio.Event) -> int:
    """An upload that takes its time; its status."""
    headers = {"content-type": "multipart/form-data; boundary=x", **bearer(publisher.key)}
    response = await publisher.house.client.post(RELEASES, content=slowly(gate), headers=headers)
    return response.status_code


async def test_one_publisher_has_so_many_uploads_on_their_way_and_others_still_publish(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, uploads_per_publisher=1) as house:
        ann, bob = [await staff(house, Role.PUBLISHER, "healthcare", owner=name) for name in ("ann", "bob")]
        gate = asyncio.Event()
        hanging = asyncio.create_task(send(ann, gate))
        statuses: list[int] = []

        async def refused() -> None:
            while 429 not in statuses:
                statuses.append(await ann.status("POST", RELEASES, json={"source": "nowhere"}))

        async with asyncio.timeout(30):
            await refused()
        assert await bob.status("POST", RELEASES, json={"source": "nowhere"}) != 429
        assert (await upload(house, 0)).status_code == 201
        gate.set()
        assert await hanging == 400
        assert await ann.status("POST", RELEASES, json={"source": "nowhere"}) != 429
