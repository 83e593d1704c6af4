"""``postil keys``: what a person sees and what a program reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.cli.durations import span
from postil.registry.accounts.keys import unsalted
from postil.registry.db.tables import Key
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House


async def as_json(house: House, *arguments: str) -> Any:
    status, out, complaints = await postil(house, *arguments, "--json")
    assert status == 0, complaints
    return json.loads(out)


async def test_a_key_lives_its_life_through_the_command(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    first = await house.tenant("firm", "legal")
    status, out, complaints = await postil(house, "keys", "add", "firm", "--expires", "90d", "--note", "the archive")
    assert status == 0, complaints
    said, only, key = out.splitlines()
    assert said.startswith(f"added {key.split('_')[1]}, a tenant's key of firm, valid until 2")
    assert only == "the key, shown only once:"
    assert (await house.ask(key)).status_code == 200
    _, out, _ = await postil(house, "keys", "list", "--owner", "firm")
    assert len(out.splitlines()) == 3
    assert "the archive" in out
    assert key.split("_", 2)[2] not in out
    _, out, _ = await postil(house, "keys", "rotate", first, "--overlap", "0s")
    assert out.splitlines()[1].startswith(f"{first.split('_')[1]} stays valid until 2")
    assert (await house.ask(first)).status_code == 401
    assert (await house.ask(out.splitlines()[-1])).status_code == 200
    _, out, _ = await postil(house, "keys", "revoke", key.rpartition("_")[0], "--reason", "lost")
    assert out == f"revoked {key.split('_')[1]} of firm\n"
    assert (await house.ask(key)).status_code == 401


@pytest.mark.parametrize("act", ["revoke", "rotate"])
async def test_a_key_from_before_that_is_pasted_is_found_by_its_id(house: House, act: str) -> None:
    await house.tenant("firm", "legal")
    old = "psk-9f_86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b8"
    row = Key(
        id=unsalted(old)[:12], owner="firm", role="tenant", domains=[], prefix=old[:8], salt="", hash=unsalted(old)
    )
    with house.runtime.registry.database().write() as session:
        session.add(row)
    status, out, complaints = await postil(house, "keys", act, f" {old} ")
    assert (status, unsalted(old)[:12] in out) == (0, True), complaints


@pytest.mark.parametrize("act", ["revoke", "rotate"])
@pytest.mark.parametrize("pasted", ["nYc3-a-secret-of-some-kind", "nYc3_a_secret", "postil_nYc3", "PSK-nYc3", "nYc3"])
async def test_what_is_no_key_is_not_sent_and_not_repeated(house: House, act: str, pasted: str) -> None:
    # Where no gateway answers: one that was asked would be told of.
    status, out, complaints = await postil(house, "keys", act, pasted, POSTIL_URL="http://127.0.0.1:9")
    assert (status, "was not sent" in complaints, "nYc3" in out + complaints) == (1, True, False)


async def test_every_act_on_keys_and_tenants_is_readable_by_programs(house: House) -> None:
    tenant = await as_json(house, "tenants", "add", "firm", "--domain", "legal", "--expires", "1d")
    assert [key["state"] for key in tenant["keys"]] == ["in force"]
    made = await as_json(house, "keys", "add", "ann", "--role", "publisher", "--domain", "legal", "--domain", "finance")
    assert (made["role"], made["domains"], made["expires"]) == ("publisher", ["finance", "legal"], None)
    rotated = await as_json(house, "keys", "rotate", made["id"])
    assert rotated["replaces"]["id"] == made["id"]
    assert (await as_json(house, "keys", "revoke", made["id"]))["state"] == "revoked"
    assert [key["id"] for key in (await as_json(house, "keys", "list", "--owner", "ann"))["data"]] == [rotated["id"]]
    everything = (await as_json(house, "keys", "list", "--owner", "ann", "--any-state"))["data"]
    assert {key["id"]: key["state"] for key in everything} == {made["id"]: "revoked", rotated["id"]: "in force"}
    assert await as_json(house, "tenants", "remove", "firm") == {"removed": "firm"}


async def test_commands_use_the_key_that_they_are_given(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    viewer = await as_json(house, "keys", "add", "eve", "--role", "viewer")
    status, out, _ = await postil(house, "releases", POSTIL_KEY=viewer["key"], POSTIL_ADMIN_KEY="another")
    assert (status, "legal/notes" in out) == (0, True)
    status, _, complaints = await postil(house, "rollback", "legal/notes", POSTIL_KEY=viewer["key"])
    assert (status, "role `viewer` does not allow this; needed: `publisher` or `admin`" in complaints) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("keys", "add", "nobody"), "there is no tenant 'nobody'"),
        (("keys", "add", "ann", "--role", "publisher"), "name at least one"),
        (("keys", "add", "ann", "--role", "viewer", "--expires", "soon"), "such as 90d"),
        (("keys", "rotate", "none", "--overlap", "-1h"), "such as 90d"),
        (("keys", "revoke", "none"), "postil keys list"),
    ],
)
async def test_a_wrong_argument_is_told_what_would_be_right(
    house: House, arguments: tuple[str, ...], says: str
) -> None:
    status, _, complaints = await postil(house, *arguments)
    assert status in (1, 2)
    assert says in " ".join(complaints.replace("│", " ").split())


@given(st.integers(0, 999_999_999), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 604800)]))
def test_a_span_is_so_many_of_its_unit(number: int, unit: tuple[str, int]) -> None:
    assert span(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1y", "1 h", "١h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 90d"):
        span(text)
