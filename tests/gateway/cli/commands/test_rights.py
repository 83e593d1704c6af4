"""``postil tenants rights``, as a user runs it."""

from __future__ import annotations

import json

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House


async def test_rights_are_given_taken_and_listed(house: House) -> None:
    await house.tenant("firm", "legal")
    assert (await postil(house, "tenants", "rights", "firm"))[1] == "firm: base\n"
    _, out, complaints = await postil(house, "tenants", "rights", "firm", "--add", "grammars", "--remove", "base")
    assert out == "firm: grammars\n", complaints
    assert "grammars" in (await postil(house, "tenants", "list"))[1]
    _, out, _ = await postil(house, "tenants", "rights", "firm", "--remove", "grammars", "--json")
    assert json.loads(out) == {"rights": []}
    assert (await postil(house, "tenants", "rights", "firm"))[1] == "firm: no rights\n"


async def test_a_tenant_is_added_with_rights(house: House) -> None:
    _, out, _ = await postil(
        house, "tenants", "add", "firm", "--domain", "legal", "--right", "base", "--right", "numbers", "--json"
    )
    assert json.loads(out)["rights"] == ["base", "numbers"]
