"""``postil yank | unyank``: what a person sees."""

from __future__ import annotations

from tests.gateway.channel_acts import NAME, move, opened
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.commands.test_keys import as_json
from tests.gateway.conftest import House


async def said(house: House, *arguments: str) -> str:
    status, out, complaints = await postil(house, *arguments)
    assert status == 0, complaints
    return out


async def test_a_yank_says_what_is_live_now_and_is_shown_wherever_releases_are(house: House) -> None:
    await opened(house)
    await move(house, "promote", 2)
    assert await said(house, "yank", f"{NAME}@2", "--reason", "it harms") == f"{NAME}@2 is yanked; {NAME}@1 is live\n"
    assert "yanked: it harms" in await said(house, "releases", NAME)
    assert "yanked" in await said(house, "diff", f"{NAME}@2")
    assert "it harms" in await said(house, "log", NAME, "--limit", "2")
    assert (await said(house, "yank", f"{NAME}@1", "--reason", "too")) == (
        f"{NAME}@1 is yanked; {NAME} has no live release\n"
    )
    assert await said(house, "unyank", f"{NAME}@1") == f"{NAME}@1 can be promoted again\n"
    state = await as_json(house, "unyank", f"{NAME}@2", "--reason", "false alarm")
    assert [row["yanked"] for row in state["releases"]] == [None, None]


async def test_a_yank_of_a_pinned_release_is_shown_in_the_status_and_as_json(house: House) -> None:
    await opened(house)
    assert (await house.admin("PUT", f"/api/v1/adapters/{NAME}/pins/clinic", json={"release": 2})).is_success
    state = await as_json(house, "yank", f"{NAME}@2", "--reason", "it harms")
    assert (state["live"], state["releases"][0]["yanked"]["reason"]) == (1, "it harms")
    assert "yanked: it harms" in await said(house, "status")


async def test_a_yank_without_a_reason_or_of_what_is_not_there_is_refused(house: House) -> None:
    await opened(house, 1)
    status, _, complaints = await postil(house, "yank", f"{NAME}@1")
    assert status == 2
    assert "--reason" in complaints
    status, _, complaints = await postil(house, "yank", f"{NAME}@9", "--reason", "x")
    assert (status, f"there is no release {NAME}@9" in complaints) == (1, True)
