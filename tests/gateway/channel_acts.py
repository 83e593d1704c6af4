"""Acts on the channels of one adapter, as the tests of canaries, shadows and pins share them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from postil.plugins import ReleaseRef
from tests.fakes.vllm import Reply
from tests.gateway.conftest import TRIAGE, House

NAME = "healthcare/triage"
ADAPTER = f"/api/v1/adapters/{NAME}"


def ref(number: int) -> ReleaseRef:
    """A release of the adapter of these tests."""
    return ReleaseRef("healthcare", "triage", number)


async def opened(house: House, releases: int = 2, policy: str = TRIAGE) -> str:
    """So many releases, the first of them live; returns the key of a tenant, ``clinic``."""
    for seed in range(releases):
        await house.publish(NAME, policy, seed=seed, live=seed == 0)
    return await house.tenant("clinic", "healthcare")


async def put(house: House, path: str, **body: Any) -> httpx.Response:
    """Set something of the adapter; it has to go well."""
    response = await house.admin("PUT", f"{ADAPTER}/{path}", json=body)
    assert response.status_code == 200, response.text
    return response


async def canary(house: House, number: int, weight: float = 20) -> None:
    """Make a release the canary."""
    await put(house, "channels/canary", release=number, weight=weight)


async def shadow(house: House, number: int, weight: float = 100) -> None:
    """Make a release the shadow."""
    await put(house, "channels/shadow", release=number, weight=weight)


async def pin(house: House, tenant: str, number: int) -> None:
    """Pin a tenant."""
    await put(house, f"pins/{tenant}", release=number)


async def move(house: House, action: str, number: int) -> None:
    """Promote or roll back by hand."""
    field = "release" if action == "promote" else "to"
    response = await house.admin("POST", f"{ADAPTER}/{action}", json={field: number})
    assert response.status_code == 200, response.text


async def state(house: House) -> dict[str, Any]:
    """The adapter as the admin sees it."""
    found: dict[str, Any] = (await house.admin("GET", ADAPTER)).json()
    return found


async def agreement(house: House) -> list[dict[str, Any]]:
    """How shadows agreed, as the admin sees it."""
    found: list[dict[str, Any]] = (await house.admin("GET", f"{ADAPTER}/agreement")).json()["data"]
    return found


async def loaded(house: House) -> dict[str, bool]:
    """The releases that the engine has to hold, and whether it does."""
    rows = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
    return {row["release"]: row["loaded"] for row in rows}


def inside(house: House, number: int) -> str:
    """The name of a release inside the engine."""
    return house.runtime.catalog.current.entries[NAME].releases[number].engine_name


def served(house: House) -> tuple[int | None, int | None]:
    """The numbers of what is live and of the canary, as the gateway serves them now."""
    entry = house.runtime.catalog.current.entries[NAME]
    return entry.live, entry.canary.number if entry.canary else None


def spoil(house: House, *numbers: int) -> None:
    """Let these releases answer what their validators fail, and all others well."""
    bad = {inside(house, number) for number in numbers}
    house.engine.reply = lambda body: Reply("nonsense") if body["model"] in bad else Reply()


def damage(house: House, number: int) -> None:
    """Change the files of a release on the disk, and have the engine forget it."""
    release = house.runtime.catalog.current.entries[NAME].releases[number]
    folder = house.folder / "home" / "artifacts" / "sha256" / release.artifact.removeprefix("sha256:")
    (folder / "adapter_config.json").rename(folder.parent / "whole")
    (folder / "adapter_config.json").write_text("{}")
    house.engine.adapters.pop(release.engine_name, None)


def mend(house: House, number: int) -> None:
    """Undo ``damage``."""
    release = house.runtime.catalog.current.entries[NAME].releases[number]
    folder = house.folder / "home" / "artifacts" / "sha256" / release.artifact.removeprefix("sha256:")
    (folder.parent / "whole").rename(folder / "adapter_config.json")


async def traffic(house: House, key: str, people: Iterable[int], **body: Any) -> list[str]:
    """Every one of these users asks once; returns the releases that answered. No answer may fail."""
    answers = []
    for user in people:
        response = await house.ask(key, user=f"user-{user}", **body)
        assert response.status_code == 200, response.text
        answers.append(response.headers["x-postil-release"])
    return answers
