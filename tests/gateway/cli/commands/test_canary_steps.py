"""``postil canary --steps | --next | --hold | --continue``, as a user runs them."""

from __future__ import annotations

import pytest

from tests.gateway.channel_acts import NAME, opened, state
from tests.gateway.cli.commands.test_channels import as_json, done, refused
from tests.gateway.conftest import House


@pytest.fixture
async def clinic(house: House) -> str:
    """Two releases, the first live, and a tenant."""
    return await opened(house)


async def test_a_canary_is_held_goes_up_and_goes_on_and_the_tables_say_where_it_is(house: House, clinic: str) -> None:
    canary, said = ("canary", f"{NAME}@2"), f"{NAME}@2 is the canary: it answers"
    assert await done(house, *canary, "--steps", "5,25,50", "--hold", "--reason", "slowly") == (
        f"{said} 5 % of the requests; 25 % is next, by hand\n"
    )
    (row,) = [line for line in (await done(house, "status")).splitlines() if "made by hand" in line]
    assert row.split()[:6] == [f"{NAME}@2", "[5]", "25", "50", "%,", "held"]
    (row,) = [line for line in (await done(house, "releases", NAME)).splitlines() if "canary 5 %" in line]
    assert "canary 5 %; steps [5] 25 50 %, held" in row
    assert await done(house, *canary, "--next") == f"{said} 25 % of the requests; 50 % is next, by hand\n"
    assert await done(house, *canary, "--continue") == f"{said} 25 % of the requests; 50 % is next, by evidence\n"
    found = (await as_json(house, *canary, "--next"))["canary"]
    assert (found["weight"], found["steps"]) == (50, {"steps": [5, 25, 50], "step": 3, "held": False})
    assert "is at its last step, 50 per cent; promote it, or end the canary" in await refused(house, *canary, "--next")
    acts = [(event["action"], event["reason"]) for event in (await state(house))["events"][-4:]]
    assert acts == [("canary", "slowly"), ("canary", ""), ("canary-continue", ""), ("canary", "")]


async def test_what_cannot_be_is_said_in_a_sentence(house: House, clinic: str) -> None:
    for arguments, says in (
        (("--steps", "5,x"), "'5,x' are not percentages; give some such as 5,25,50"),
        (("--steps", "5", "--weight", "5"), "give one of --weight, --steps"),
        (("--hold",), "has no canary"),
    ):
        assert says in await refused(house, "canary", f"{NAME}@2", *arguments), arguments
