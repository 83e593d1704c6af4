"""``postil canary | shadow | pin | unpin | agreement | status`` and dry runs, as a user runs them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fakes.vllm import Reply
from tests.gateway.channel_acts import NAME, canary, damage, inside, opened, pin, served, shadow, spoil, state, traffic
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House, until


@pytest.fixture
async def clinic(house: House) -> str:
    """Three releases, the first live, and a tenant."""
    return await opened(house, 3)


async def done(house: House, *arguments: str) -> str:
    """What a command says; it has to go well."""
    status, out, complaints = await postil(house, *arguments)
    assert status == 0, complaints
    return out


async def refused(house: House, *arguments: str) -> str:
    """The complaint of a command that cannot do what was asked."""
    status, out, complaints = await postil(house, *arguments)
    assert (status, out) == (1, "")
    return complaints


async def as_json(house: House, *arguments: str) -> Any:
    """What a command says with ``--json``."""
    return json.loads(await done(house, *arguments, "--json"))


async def test_a_canary_begins_grows_and_ends(house: House, clinic: str) -> None:
    said = await done(house, "canary", f"{NAME}@2", "--reason", "a new set")
    assert said == f"{NAME}@2 is the canary: it answers 10 % of the requests\n"
    assert (await as_json(house, "canary", f"{NAME}@2", "--weight", "100"))["canary"]["weight"] == 100
    assert await traffic(house, clinic, range(3)) == [f"{NAME}@2"] * 3
    assert await done(house, "canary", NAME, "--end", "--reason", "enough") == f"{NAME} has no canary any more\n"
    assert await traffic(house, clinic, range(3)) == [f"{NAME}@1"] * 3
    events = (await state(house))["events"][-3:]
    assert [(event["action"], event["reason"]) for event in events] == [
        ("canary", "a new set"), ("canary", ""), ("canary-end", "enough"),
    ]  # fmt: skip
    assert "@" in events[0]["actor"]


async def test_a_shadow_begins_agrees_and_ends(house: House, clinic: str) -> None:
    said = await done(house, "shadow", f"{NAME}@2")
    assert said == f"{NAME}@2 is the shadow: it gets a copy of 100 % of the requests\n"
    hidden, asked = inside(house, 2), len(house.engine.requests)
    for count, answer in enumerate(("symptoms", "symptoms", "symptoms", "billing"), 1):
        house.engine.reply = lambda body, answer=answer: Reply(  # type: ignore[misc]
            f'{{"category": "{answer if body["model"] == hidden else "symptoms"}"}}'
        )
        await traffic(house, clinic, [1])
        await until(lambda count=count: len(house.engine.requests) == asked + 2 * count)  # type: ignore[misc]
    rows: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not rows or rows[0]["compared"] < 4:
            rows = (await as_json(house, "agreement", NAME))["data"]
    assert rows == [
        {"answered": f"{NAME}@1", "shadow": f"{NAME}@2", "compared": 4, "agreed": 3, "failed": 0, "skipped": 0}
    ]
    table = (await done(house, "agreement", NAME)).splitlines()
    assert table[0].split() == ["shadow", "baseline", "compared", "agreed", "failed", "skipped"]
    assert table[1].split() == [f"{NAME}@2", f"{NAME}@1", "4", "75.0%", "0", "0"]
    assert await done(house, "shadow", f"{NAME}@2", "--end") == f"{NAME} has no shadow any more\n"


async def test_without_a_shadow_the_agreement_says_how_to_begin(house: House, clinic: str) -> None:
    assert "postil shadow domain/adapter@number" in await done(house, "agreement", NAME)
    assert await as_json(house, "agreement", NAME) == {"data": [], "next": None}


async def test_a_tenant_is_pinned_and_let_go(house: House, clinic: str) -> None:
    said = await done(house, "pin", "clinic", f"{NAME}@3", "--reason", "their audit")
    assert said == f"clinic gets {NAME}@3 from now on\n"
    assert await traffic(house, clinic, [1]) == [f"{NAME}@3"]
    assert (await as_json(house, "releases", NAME))["pins"] == {"clinic": 3}
    assert await done(house, "unpin", "clinic", NAME) == f"clinic gets what is live of {NAME}\n"
    assert await traffic(house, clinic, [1]) == [f"{NAME}@1"]


async def test_releases_show_where_each_stands(house: House, clinic: str) -> None:
    await canary(house, 2, 12.5)
    await shadow(house, 3)
    await pin(house, "clinic", 3)
    lines = (await done(house, "releases", NAME)).splitlines()
    assert "shadow 100 %; pinned: clinic" in lines[1]
    assert "canary 12.5 %" in lines[2]
    assert lines[3].split()[1] == "live"
    overview = (await done(house, "releases")).splitlines()
    assert "2 (12.5 %)" in overview[1]
    assert "3 (100 %)" in overview[1]


async def test_the_status_shows_what_is_held_why_and_what_is_not(house: House, clinic: str) -> None:
    await canary(house, 2)
    await pin(house, "clinic", 3)
    lines = (await done(house, "status")).splitlines()
    assert [line.split() for line in lines if line.startswith(NAME)][:3] == [
        [f"{NAME}@1", "live", "yes"], [f"{NAME}@2", "canary", "yes"], [f"{NAME}@3", "pin", "of", "clinic", "yes"],
    ]  # fmt: skip
    damage(house, 3)
    house.runtime.engine.ready()[1].evict(inside(house, 3))
    await canary(house, 2, 30)
    async with asyncio.timeout(30):
        while "damaged on disk" not in (text := await done(house, "status")):
            pass
    assert "(tried " in text


async def test_the_status_shows_the_evidence_of_what_is_under_watch(house: House, clinic: str) -> None:
    await canary(house, 2, 50)
    await traffic(house, clinic, range(20))
    text = await done(house, "status")
    assert "candidate" in text
    assert "validator failures" in text
    (watch,) = (await as_json(house, "status"))["comparisons"]
    assert [signal["signal"] for signal in watch["evidence"]] == [
        "validator failures", "engine errors", "fallbacks", "slow answers",
    ]  # fmt: skip


async def test_a_dry_run_says_what_would_be_and_changes_nothing(house: House, clinic: str) -> None:
    before = await state(house)
    said = await done(house, "promote", f"{NAME}@2", "--dry-run")
    assert said == f"{NAME}@2 can be made live and was loaded; {NAME}@1 still is\n"
    assert await state(house) == before
    assert inside(house, 2) in house.engine.adapters
    await done(house, "promote", f"{NAME}@2")
    assert f"{NAME}@1 can be made live" in await done(house, "rollback", NAME, "--dry-run")
    assert (await as_json(house, "rollback", NAME, "--dry-run"))["would_be_live"] == f"{NAME}@1"
    assert served(house) == (2, None)
    house.engine.refuse_load = "no place left"
    assert "no place left" in await refused(house, "promote", f"{NAME}@3", "--dry-run")


async def test_an_automatic_rollback_is_in_the_log_with_its_reason(house: House, clinic: str) -> None:
    await canary(house, 2, 50)
    spoil(house, 2)
    await traffic(house, clinic, range(200))
    await until(lambda: served(house) == (1, None))
    (end,) = [
        event
        for event in (await as_json(house, "log", NAME))["data"]
        if (event["actor"], event["action"]) == ("postil", "canary-end")
    ]
    assert end["details"]["finding"]["e_value"] >= end["details"]["finding"]["threshold"]
    text = " ".join((await done(house, "log", NAME)).split())
    assert "canary-end" in text
    assert "is worse than" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("canary", f"{NAME}@2", "--weight", "0"), "a weight of 0 per cent cannot be"),
        (("canary", f"{NAME}@2", "--weight", "120"), "at most 100"),
        (("canary", f"{NAME}@1"), "is live already; choose another release as canary"),
        (("canary", NAME), "such as healthcare/triage@4"),
        (("canary", NAME, "--end"), "has no canary; see `postil status`"),
        (("shadow", f"{NAME}@9"), "there is no release healthcare/triage@9; healthcare/triage has 1, 2, 3"),
        (("pin", "nobody", f"{NAME}@2"), "there is no tenant 'nobody'"),
        (("pin", "clinic", NAME), "such as healthcare/triage@4"),
        (("unpin", "clinic", NAME), "clinic is not pinned to a release of healthcare/triage"),
        (("promote", f"{NAME}@1", "--dry-run"), "is live already"),
        (("rollback", NAME, "--dry-run"), "no earlier live release"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_sentence(
    house: House, clinic: str, arguments: tuple[str, ...], says: str
) -> None:
    complaint = await refused(house, *arguments)
    assert says in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("command", ["canary", "shadow", "pin", "unpin", "agreement"])
async def test_every_command_explains_itself(command: str) -> None:
    status, out, _ = await postil(None, command, "--help")
    assert (status, f"Usage: postil {command}" in out) == (0, True)
