"""Commands that list: they stop at a limit and say so, or go on to the end."""

from __future__ import annotations

import json

import pytest

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House


@pytest.mark.parametrize("command", [["log"], ["keys", "list"], ["tenants", "list"], ["adapters", "list"], ["plugins"]])
async def test_a_list_stops_at_its_limit_and_says_so_apart_from_what_it_shows(
    house: House, clinic: str, command: list[str]
) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.tenant("firm", "legal")
    status, out, said = await postil(house, *command, "--limit", "1", "--json")
    assert (status, said) == (0, "1 shown; there are more: --limit 100 or --all\n")
    some = json.loads(out)
    assert (len(some["data"]), some["next"] is None) == (1, False)
    for everything in (["--all"], ["--limit", "0"]):
        _, out, said = await postil(house, *command, *everything, "--json")
        whole = json.loads(out)
        assert (whole["data"][0], whole["next"], said) == (some["data"][0], None, "")
        assert len(whole["data"]) > 1


async def test_releases_and_their_next_stand_in_the_adapters_json(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/notes", FREE_TEXT, seed=1)
    _, out, said = await postil(house, "releases", "legal/notes", "--limit", "1", "--json")
    state = json.loads(out)
    assert ([row["number"] for row in state["releases"]], state["live"], state["next"] is None) == ([2], 2, False)
    assert said.startswith("1 shown; there are more")
    _, out, said = await postil(house, "releases", "legal/notes", "--limit", "1")
    assert ("legal/notes@2" in out, "legal/notes@1 " in out) == (True, False)
    assert said.startswith("1 shown; there are more")


async def test_keys_that_are_over_do_not_fill_the_page(house: House, clinic: str) -> None:
    made = (await house.admin("POST", "/api/v1/keys", json={"owner": "clinic"})).json()
    (first, _) = (await house.admin("GET", "/api/v1/keys")).json()["data"]
    assert (await house.admin("DELETE", f"/api/v1/keys/{first['id']}")).status_code == 200
    _, out, said = await postil(house, "keys", "list", "--limit", "1", "--json")
    assert ([key["id"] for key in json.loads(out)["data"]], said) == ([made["id"]], "")
