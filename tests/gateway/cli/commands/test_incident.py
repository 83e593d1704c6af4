"""An admin's switches: what a person sees."""

from __future__ import annotations

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.commands.test_keys import as_json
from tests.gateway.cli.commands.test_yank import said
from tests.gateway.conftest import FREE_TEXT, House


async def test_a_domain_is_frozen_shown_and_unfrozen(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    out = await said(house, "domains", "freeze", "legal", "--reason", "a key leaked")
    assert out == "legal is frozen; `postil domains unfreeze legal` ends that\n"
    assert "frozen by " in await said(house, "domains", "list")
    assert "a key leaked" in await said(house, "domains", "list")
    status, _, complaints = await postil(house, "rollback", "legal/notes")
    assert (status, "frozen" in complaints) == (1, False)
    assert await said(house, "domains", "unfreeze", "legal") == "legal is unfrozen\n"
    assert (await as_json(house, "domains", "freeze", "legal", "--reason", "x"))["frozen"]["reason"] == "x"


async def test_sources_are_allowed_shown_and_taken_away(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    out = await said(house, "domains", "sources", "legal", "--allow", "hf://acme/*", "--reason", "ours")
    assert out == "publishers of legal may fetch hf://acme/* with the gateway's token\n"
    assert "hf://acme/*" in await said(house, "domains", "list")
    assert (await said(house, "domains", "sources", "legal", "--none")).startswith(
        "publishers of legal may fetch nothing"
    )
    status, _, complaints = await postil(house, "domains", "sources", "legal")
    assert (status, "--allow" in complaints) == (1, True)


async def test_a_tenant_is_refused_shown_and_admitted(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    key = await house.tenant("firm", "legal")
    out = await said(house, "tenants", "refuse", "firm", "--reason", "it attacks")
    assert out == "firm is refused; `postil tenants admit firm` ends that\n"
    assert "refused: it attacks" in await said(house, "tenants", "list")
    assert (await house.ask(key)).status_code == 403
    assert await said(house, "tenants", "admit", "firm") == "firm is admitted again\n"
    assert (await house.ask(key)).status_code == 200
    assert (await as_json(house, "tenants", "refuse", "firm", "--reason", "x"))["refused"]["reason"] == "x"
