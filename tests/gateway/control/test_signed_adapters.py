"""Signed adapters, over a running gateway: at publish, at every load, and while they are served."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.gateway.inference.routing.release import engine_name
from postil.registry.accounts.keys import Role
from postil.registry.db.database import Database
from postil.registry.defaults import SIGNATURE
from postil.registry.signing.bundles import sign
from tests.fakes.adapters import write_adapter
from tests.fakes.signing import KeyPair, key_pair, resigned
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.gateway.control.test_change_feed import two_houses
from tests.gateway.tenancy.test_roles import staff

NAME = "healthcare/triage"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def ours(tmp_path: Path) -> KeyPair:
    """The key that the domain accepts."""
    return key_pair(tmp_path, "ours")


async def demand(house: House, *keys: KeyPair, status: int = 200) -> Any:
    """Let ``healthcare`` accept these keys from now on."""
    body = {"keys": [key.pem for key in keys], "reason": "a test"}
    response = await house.admin("PUT", "/api/v1/domains/healthcare/signing-keys", json=body)
    assert response.status_code == status, response.text
    return response.json()


async def send(
    house: House, key: KeyPair | None = None, *, seed: int = 0, bundle: bytes | None = None
) -> httpx.Response:
    """Publish by hand: an adapter with this signature, or signed with this key."""
    folder = write_adapter(house.folder / f"sent-{time.monotonic_ns()}", seed=seed)
    bundle = sign(folder, key.private) if key else bundle
    if bundle is not None:
        (folder / SIGNATURE).write_bytes(bundle)
    return await house.upload(NAME, folder, FREE_TEXT)


async def promote(house: House, number: int) -> httpx.Response:
    """Make a release live."""
    return await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": number})


def artifact(house: House, number: int) -> str:
    """The digest of a release's files."""
    return house.runtime.catalog.current.entries[NAME].releases[number].artifact


async def lost(house: House, number: int) -> None:
    """The engine loses a release."""
    name = engine_name(artifact(house, number))
    house.engine.adapters.pop(name, None)
    assert house.runtime.engine.adapter_cache is not None
    house.runtime.engine.adapter_cache.evict(name)


async def test_a_signed_adapter_is_published_promoted_and_answers(house: House, ours: KeyPair) -> None:
    assert (await demand(house, ours))["signature_required"] is True
    assert (await send(house, ours)).status_code == 201
    assert (await promote(house, 1)).status_code == 200
    answer = await house.ask(await house.tenant("clinic", "healthcare"))
    assert answer.headers["x-postil-release"] == f"{NAME}@1"
    await lost(house, 1)
    assert (await house.ask(await house.tenant("again", "healthcare"))).status_code == 200


async def test_a_forged_signature_is_refused_over_http_and_leaves_nothing(house: House, ours: KeyPair) -> None:
    await demand(house, ours)
    events = (await house.admin("GET", "/api/v1/events")).json()["data"]
    good, other = write_adapter(house.folder / "good"), write_adapter(house.folder / "other", seed=7)
    weights = hashlib.sha256((good / WEIGHTS).read_bytes()).hexdigest()
    forged = resigned(sign(other, ours.private), WEIGHTS, weights)
    theirs = key_pair(house.folder, "theirs")
    for response in (await send(house), await send(house, bundle=forged), await send(house, theirs)):
        assert response.status_code == 422, response.text
        assert response.headers["content-type"].startswith("application/problem+json")
        assert "sign it with `postil publish FOLDER --sign KEY`" in response.json()["detail"]
        assert str(house.folder) not in response.text
    assert (await house.admin("GET", "/api/v1/adapters")).json()["data"] == []
    assert (await house.admin("GET", "/api/v1/events")).json()["data"] == events
    await until(lambda: not any((house.folder / "home/artifacts/incoming").iterdir()))
    assert list((house.folder / "home/artifacts/sha256").iterdir()) == []


async def test_weights_changed_on_disk_are_not_loaded_again(house: House, ours: KeyPair) -> None:
    await demand(house, ours)
    await send(house, ours)
    await promote(house, 1)
    key = await house.tenant("clinic", "healthcare")
    kept = house.runtime.registry.get().artifacts.verified_path(artifact(house, 1)) / WEIGHTS
    changed = bytearray(kept.read_bytes())
    changed[-1] ^= 1
    kept.write_bytes(changed)
    loads = house.engine.loads
    await lost(house, 1)
    answer = await house.ask(key)
    assert answer.status_code == 503
    assert str(house.folder) not in answer.text
    assert house.engine.loads == loads


async def test_what_is_live_unsigned_goes_on_answering_until_it_has_to_be_loaded_again(
    house: House, clinic: str, ours: KeyPair
) -> None:
    assert (await demand(house, ours))["unsigned"] == [f"{NAME}@1"]
    assert (await house.ask(clinic)).status_code == 200
    loads = house.engine.loads
    await lost(house, 1)
    assert (await house.ask(clinic)).status_code == 503
    assert house.engine.loads == loads
    # The remedy: the same adapter, signed. It is the same release, and nobody has to promote it.
    folder = write_adapter(house.folder / "same")
    (folder / SIGNATURE).write_bytes(sign(folder, ours.private))
    again = await house.upload(NAME, folder)
    assert (again.status_code, again.json()["created"], again.json()["number"]) == (201, False, 1)
    assert (await house.ask(clinic)).status_code == 200


async def test_what_is_loaded_for_one_domain_is_not_loaded_for_another(
    house: House, clinic: str, ours: KeyPair
) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    firm = await house.tenant("firm", "legal")
    await demand(house, ours)
    await lost(house, 1)
    assert (await house.ask(firm)).status_code == 200
    assert (await house.ask(clinic)).status_code == 503
    assert (await house.ask(firm)).status_code == 200


async def test_an_unsigned_release_that_is_loaded_cannot_be_made_live_or_canary(
    house: House, clinic: str, ours: KeyPair
) -> None:
    await house.publish(NAME, seed=1, live=False)
    await house.admin("PUT", f"/api/v1/adapters/{NAME}/channels/canary", json={"release": 2, "weight": 1})
    loaded = house.runtime.catalog.current.named(f"{NAME}@2")
    assert loaded is not None
    assert house.runtime.engine.can_serve(loaded)
    await demand(house, ours)
    refused = await promote(house, 2)
    assert refused.status_code == 422
    assert "was left as it is" in refused.json()["detail"]
    weight = await house.admin("PUT", f"/api/v1/adapters/{NAME}/channels/shadow", json={"release": 2, "weight": 1})
    assert weight.status_code == 422
    assert house.runtime.catalog.current.entries[NAME].live == 1


async def test_a_gateway_that_starts_again_loads_only_what_is_signed(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], ours: KeyPair
) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        await house.publish(NAME, FREE_TEXT)
        await house.publish("healthcare/other", FREE_TEXT, seed=1)
        await demand(house, ours)
        await send(house, ours)
        key = await house.tenant("clinic", "healthcare")
    engine_at[0].adapters.clear()
    async with running_house(tmp_path, *engine_at) as house:
        assert (await house.ask(key, model=NAME)).status_code == 200
        assert (await house.ask(key, model="healthcare/other")).status_code == 503
        status = (await house.admin("GET", "/api/v1/status")).text
        assert "this one has no signature" in status


def away(house: House) -> None:
    """The database answers no load of this gateway any more."""
    house.runtime.signature_gate._database = lambda: Database(f"sqlite:///{house.folder / 'nowhere' / 'gone.db'}")


async def test_nothing_unsigned_is_loaded_without_the_database_where_signatures_were_required_since(
    house: House, clinic: str, ours: KeyPair
) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    firm = await house.tenant("firm", "legal")
    await demand(house, ours)
    away(house)
    await lost(house, 1)
    loads = house.engine.loads
    assert (await house.ask(clinic)).status_code == 503
    assert house.engine.loads == loads
    house.engine.adapters.clear()
    assert house.runtime.engine.adapter_cache is not None
    house.runtime.engine.adapter_cache.evict()
    assert (await house.ask(firm)).status_code == 200, "a domain without keys is held up by nothing"


async def test_another_gateway_hears_that_signatures_are_required_before_the_database_is_away(
    tmp_path: Path, ours: KeyPair
) -> None:
    async with two_houses(tmp_path, f"sqlite:///{tmp_path / 'shared.db'}") as (one, two, _):
        await one.publish(NAME, FREE_TEXT)
        key = await one.tenant("clinic", "healthcare")
        await until(lambda: two.serves(NAME) and two.runtime.callers.current.knows("clinic"))
        assert (await two.ask(key)).status_code == 200
        assert "healthcare" in two.runtime.signature_gate._free
        await demand(one, ours)
        await until(lambda: "healthcare" not in two.runtime.signature_gate._free)
        away(two)
        await lost(two, 1)
        assert (await two.ask(key)).status_code == 503


async def test_only_an_admin_changes_what_a_domain_requires_and_a_viewer_sees_it(
    house: House, clinic: str, ours: KeyPair
) -> None:
    see, change = ("GET", "/api/v1/domains"), ("PUT", "/api/v1/domains/healthcare/signing-keys")
    publisher = await staff(house, Role.PUBLISHER, "healthcare")
    viewer, admin = await staff(house, Role.VIEWER), await staff(house, Role.ADMIN, owner="eve")
    body = {"keys": [ours.pem]}
    for key, sees in ((clinic, 403), (publisher.key, 403), (viewer.key, 200)):
        assert (await house.client.request(*see, headers=bearer(key))).status_code == sees
        assert (await house.client.request(*change, headers=bearer(key), json=body)).status_code == 403
    assert (await house.client.request(*see)).status_code == 401
    assert (await house.client.request(*change, json=body)).status_code == 401
    assert [one["signature_required"] for one in (await viewer.ask(*see)).json()["data"]] == [False]
    assert (await admin.ask(*change, json=body)).status_code == 200
    assert [one["signature_required"] for one in (await viewer.ask(*see)).json()["data"]] == [True]


async def test_a_private_key_is_refused_and_not_repeated(house: House, ours: KeyPair) -> None:
    body = {"keys": [ours.private.read_text()]}
    response = await house.admin("PUT", "/api/v1/domains/healthcare/signing-keys", json=body)
    assert response.status_code == 422
    assert ours.private.read_text().splitlines()[1] not in response.text
    assert (await house.admin("GET", "/api/v1/domains")).json()["data"] == []
