"""``postil adapters``, ``postil releases retire | restore``, ``postil domains set-default``, as a user runs them."""

from __future__ import annotations

import json

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House


async def test_a_release_and_an_adapter_are_retired_and_restored(house: House) -> None:
    for seed in range(2):
        await house.publish("legal/notes", FREE_TEXT, seed=seed)
    status, out, complaints = await postil(house, "releases", "retire", "legal/notes@1", "--reason", "old")
    assert (status, out) == (
        0, "legal/notes@1 is retired; bring it back with `postil releases restore legal/notes@1`\n"
    ), complaints  # fmt: skip
    assert "retired" in (await postil(house, "releases", "legal/notes"))[1].splitlines()[2]
    code, _, complaints = await postil(house, "releases", "retire", "legal/notes@2")
    assert (code, "postil adapters retire legal/notes" in complaints) == (1, True)
    state = json.loads((await postil(house, "releases", "restore", "legal/notes@1", "--json"))[1])
    assert [row["retired"] for row in state["releases"]] == [False, False]
    assert (await postil(house, "adapters", "retire", "legal/notes"))[1].startswith("legal/notes is retired; ")
    assert "retired" in (await postil(house, "adapters", "list"))[1]
    assert (
        "legal/notes is retired and answers no requests" in (await postil(house, "releases", "list", "legal/notes"))[1]
    )
    assert (await postil(house, "adapters", "restore", "legal/notes"))[1] == "legal/notes is in service again\n"
    assert "in service" in (await postil(house, "releases"))[1]
    log = (await postil(house, "log", "legal/notes"))[1]
    assert log.count("unretire") == 2
    assert "old" in log


async def test_another_adapter_answers_for_its_domain(house: House) -> None:
    for name in ("legal/notes", "legal/clause"):
        await house.publish(name, FREE_TEXT)
    status, out, complaints = await postil(house, "domains", "set-default", "legal", "clause")
    assert (status, out) == (0, "legal/clause answers for legal from now on\n"), complaints
    state = json.loads((await postil(house, "domains", "set-default", "legal", "legal/notes", "--json"))[1])
    assert (state["adapter"], state["default"]) == ("legal/notes", True)
    code, _, complaints = await postil(house, "domains", "set-default", "legal", "healthcare/triage")
    assert (code, "not an adapter of legal" in complaints) == (1, True)
