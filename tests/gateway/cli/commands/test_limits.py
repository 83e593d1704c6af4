"""``postil tenants limit`` and ``postil usage``, as a user runs them."""

from __future__ import annotations

import json

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House


async def test_a_tenant_is_limited_and_the_list_says_so(house: House) -> None:
    await house.tenant("firm", "legal")
    assert (await postil(house, "tenants", "limit", "firm"))[1] == "firm: 1024 at a time\n"
    _, out, complaints = await postil(
        house, "tenants", "limit", "firm", "--requests-per-minute", "60", "--tokens-per-day", "1000000"
    )
    assert out == "firm: 60 requests/min, 1000000 tokens/day, 1024 at a time\n", complaints
    _, out, _ = await postil(house, "tenants", "limit", "firm", "--concurrent", "8")
    assert out == "firm: 60 requests/min, 1000000 tokens/day, 8 at a time\n"
    assert "60 requests/min, 1000000 tokens/day, 8 at a time" in (await postil(house, "tenants", "list"))[1]
    _, out, _ = await postil(house, "tenants", "limit", "firm", "--clear", "--tokens-per-minute", "5", "--json")
    assert json.loads(out)["tokens_per_minute"] == 5
    assert json.loads((await postil(house, "tenants", "list", "--json"))[1])["data"][0]["limits"] == {
        "tokens_per_minute": 5
    }
    assert (await postil(house, "tenants", "limit", "firm", "--clear"))[1] == "firm: no limits\n"


async def test_what_cannot_be_a_limit_is_told_what_would_be(house: House) -> None:
    await house.tenant("firm", "legal")
    status, _, complaints = await postil(house, "tenants", "limit", "firm", "--concurrent", "0")
    assert status == 1
    assert complaints == "error: concurrent cannot be 0; give a whole number from 1 on, or leave it out\n"
    status, _, complaints = await postil(house, "tenants", "limit", "nobody", "--concurrent", "1")
    assert (status, complaints) == (1, "error: there is no tenant 'nobody'; see `postil tenants list`\n")


async def test_usage_is_a_table_or_json(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    assert (await postil(house, "usage"))[1] == "nothing was used in that time\n"
    key = await house.tenant("firm", "legal")
    said = (await house.ask(key)).json()["usage"]
    _, out, _ = await postil(house, "usage", "--by", "release")
    assert out.splitlines()[1].split() == [
        "legal/notes@1", "1", str(said["prompt_tokens"]), str(said["completion_tokens"])
    ]  # fmt: skip
    (entry,) = json.loads((await postil(house, "usage", "--tenant", "firm", "--json"))[1])["data"]
    assert (entry["tenant"], entry["requests"], entry["uncounted"]) == ("firm", 1, 0)
    assert (await postil(house, "usage", "--until", "2001-01-01"))[1] == "nothing was used in that time\n"
    status, _, complaints = await postil(house, "usage", "--since", "yesterday")
    assert (status, complaints) == (1, "error: 'yesterday' is not a day; write one such as 2026-11-01\n")
