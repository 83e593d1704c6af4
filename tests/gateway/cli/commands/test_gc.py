"""``postil gc``, as a user runs it."""

from __future__ import annotations

import json

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House


async def test_it_shows_what_would_go_then_what_went(house: House) -> None:
    for seed in range(3):
        await house.publish("legal/notes", seed=seed, live=seed == 0)
    status, out, _ = await postil(house, "gc", "--dry-run", "--keep", "1")
    assert status == 0
    assert "legal/notes@2" in out
    assert "never live, and not among the newest 1" in out
    assert out.splitlines()[-1].endswith("would be freed; nothing was deleted")
    _, out, _ = await postil(house, "gc", "--keep", "1")
    assert out.splitlines()[-1].startswith("1 artifact, ")
    assert out.splitlines()[-1].endswith("B freed") or out.splitlines()[-1].endswith("bytes freed")
    _, out, _ = await postil(house, "gc", "--keep", "1")
    assert out == "there is nothing to collect\n"
    assert "its files were collected" in (await postil(house, "releases", "legal/notes"))[1]
    assert "collect" in (await postil(house, "log"))[1]


async def test_it_prints_json_for_programs(house: House) -> None:
    await house.publish("legal/notes", live=False)
    report = json.loads((await postil(house, "gc", "--keep", "0", "--json"))[1])
    assert [row["releases"] for row in report["garbage"]] == [["legal/notes@1"]]
    assert report["bytes"] == report["garbage"][0]["bytes"] > 0


async def test_fewer_than_none_cannot_be_kept(house: House) -> None:
    status, _, complaints = await postil(house, "gc", "--keep", "-1")
    assert status == 2
    assert "--keep" in complaints
