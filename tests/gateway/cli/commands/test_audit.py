"""`postil audit`: what somebody with the database's password does is found, and not served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.signing import key_pair
from tests.fakes.vllm import FakeVLLM
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house


def run(house: House, statement: str) -> None:
    """A change behind the gateway's back."""
    with house.runtime.registry.database().engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount > 0


async def test_a_cut_tail_is_found_by_a_signed_head(house: House, tmp_path: Path) -> None:
    ours, theirs = key_pair(tmp_path, "ours"), key_pair(tmp_path, "theirs")
    await house.publish("legal/notes", FREE_TEXT)
    status, out, _ = await postil(house, "audit", "head", "--sign", str(ours.private))
    head = tmp_path / "head.json"
    head.write_text(out)
    assert (status, json.loads(out)["sequence"]) == (0, 2)
    asked = ("audit", "verify", "--head", str(head), "--key", str(ours.public))
    status, out, _ = await postil(house, *asked)
    assert (status, out.startswith("2 events, every one follows"), "event 2 is the one" in out) == (0, True, True)
    status, _, said = await postil(house, *asked[:-1], str(theirs.public))
    assert (status, "not signed with this key" in said) == (1, True)
    run(house, "DELETE FROM event WHERE sequence = 2")
    status, out, said = await postil(house, *asked, "--json")
    assert (status, json.loads(out)["has_head"], json.loads(out)["first_break"]) == (1, False, None)
    assert "the log has no event 2 with the hash that was kept: it was cut or rewritten" in said


async def test_a_moved_stable_is_named(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/notes", FREE_TEXT, seed=1)
    assert (await postil(house, "audit", "verify"))[0] == 0
    run(house, "UPDATE channel SET number = 1")
    status, _, said = await postil(house, "audit", "verify")
    assert status == 1
    assert "stable of legal/notes points to release 1, and the log says release 2" in said


async def test_an_edited_event_is_named(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    run(house, "UPDATE event SET actor = 'bob' WHERE sequence = 1")
    status, _, said = await postil(house, "audit", "verify")
    assert (status, "event 1 does not follow from the ones before it" in said) == (1, True)


@pytest.mark.parametrize("content", ["", "[]", '{"sequence": "x", "hash": ""}', None])
async def test_what_is_no_head_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "head.json"
    if content is not None:
        file.write_text(content)
    status, _, said = await postil(None, "audit", "verify", "--head", str(file))
    assert (status, ("is no head" if content is not None else "cannot be read") in said) == (1, True)
    status, _, said = await postil(None, "audit", "verify", "--key", str(file))
    assert (status, "give the head's file with --head" in said) == (1, True)


async def test_half_a_head_is_refused_by_the_api(house: House) -> None:
    answer = await house.admin("GET", "/api/v1/audit", params={"sequence": 1})
    assert (answer.status_code, "send both, or neither" in answer.text) == (400, True)


async def test_a_policy_that_was_written_over_is_not_served_and_the_status_says_so(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        await house.publish("legal/notes", FREE_TEXT)
        key = await house.tenant("firm", "legal")
        assert (await house.ask(key)).status_code == 200
        run(house, """UPDATE release SET policy = '{"system_prompt": "lie"}'""")
    async with running_house(tmp_path, *engine_at) as house:
        assert (await house.ask(key)).status_code == 503
        assert "legal/notes@1 is not served: policy: what the database holds is not what was published" in caplog.text
        (row,) = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
        assert (row["release"], "is not what was published" in row["problem"]) == ("legal/notes@1", True)
        promoted = await house.admin("POST", "/api/v1/adapters/legal/notes/promote", json={"release": 1})
        assert promoted.status_code >= 400
        assert (await house.client.get("/v1/models", headers=bearer(key))).json()["data"][0]["id"] == "base"
