"""`/api/v1/webhooks` and `postil webhooks`: who may do what, and what is shown."""

from __future__ import annotations

from typing import Any

from postil.registry.accounts.keys import Role
from tests.fakes.adapters import write_adapter
from tests.fakes.http import Receive, Scope, Send, read_body, respond, serving
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House
from tests.gateway.tenancy.test_roles import staff

URL = "https://hooks.example.com/s3cret-path"
NAMED = "added decisions; a policy names it as reviews: {webhook: decisions}"
BODY: dict[str, Any] = {"name": "decisions", "url": URL, "domains": ["healthcare", "legal"]}


async def test_a_secret_is_shown_once(house: House) -> None:
    made = await house.admin("POST", "/api/v1/webhooks", json=BODY)
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    listed = await house.admin("GET", "/api/v1/webhooks")
    assert (listed.json()["data"][0]["url"], secret in listed.text) == (URL, False)
    events = await house.admin("GET", "/api/v1/events")
    assert ("webhook-add" in events.text, secret in events.text, "s3cret-path" in events.text) == (True, False, False)
    rotated = await house.admin("POST", "/api/v1/webhooks/decisions/rotate", json={})
    assert (rotated.status_code, rotated.json()["secret"] != secret) == (201, True)


async def test_a_publisher_sees_the_names_for_its_domains_and_nothing_else(house: House) -> None:
    await house.admin("POST", "/api/v1/webhooks", json=BODY)
    await house.admin("POST", "/api/v1/webhooks", json={**BODY, "name": "others", "domains": ["finance"]})
    ann = await staff(house, Role.PUBLISHER, "healthcare")
    answer = await ann.ask("GET", "/api/v1/webhooks")
    assert [(row["name"], row["domains"]) for row in answer.json()["data"]] == [("decisions", ["healthcare"])]
    assert ("hooks.example.com" in answer.text, "legal" in answer.text) == (False, False)
    for method, path in (
        ("POST", ""),
        ("DELETE", "/decisions"),
        ("POST", "/decisions/rotate"),
        ("POST", "/decisions/test"),
    ):
        refused = await ann.ask(method, f"/api/v1/webhooks{path}", **({"json": BODY} if method == "POST" else {}))
        assert refused.status_code == 403, (method, path)


async def test_a_viewer_sees_no_url_and_a_reviewer_no_webhook(house: House) -> None:
    await house.admin("POST", "/api/v1/webhooks", json=BODY)
    eve = await staff(house, Role.VIEWER)
    assert "hooks.example.com" not in (await eve.ask("GET", "/api/v1/webhooks")).text
    bob = await staff(house, Role.REVIEWER, "healthcare")
    assert (await bob.ask("GET", "/api/v1/webhooks")).status_code == 403


async def test_a_policy_with_a_url_is_refused_with_the_command(house: House) -> None:
    policy = f"reviews: {{webhook: '{URL}'}}"
    answer = await house.upload("legal/notes", write_adapter(house.folder / "one"), policy)
    assert answer.status_code == 422, answer.text
    assert "`postil webhooks add NAME URL --domain DOMAIN`" in answer.json()["detail"]


async def test_an_address_inside_is_not_reached_by_a_test_either(house: House) -> None:
    port = house.url.rpartition(":")[2]
    await house.admin("POST", "/api/v1/webhooks", json={**BODY, "url": f"https://127.0.0.1:{port}/"})
    result = (await house.admin("POST", "/api/v1/webhooks/decisions/test")).json()
    assert (result["accepted"], result["status"]) == (False, None)
    assert "127.0.0.1 is at 127.0.0.1, which is not an address of the public internet" in result["problem"]


async def test_a_webhook_lives_its_life_through_the_command(house: House) -> None:
    got: list[dict[str, str]] = []

    async def receiver(scope: Scope, receive: Receive, send: Send) -> None:
        got.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await read_body(receive)
        await respond(send, 204 if len(got) == 1 else 500, b"")

    async with serving(receiver) as url:
        add = ("webhooks", "add", "decisions", url, "--domain", "legal")
        status, _, said = await postil(house, *add)
        assert (status, "has to be https://" in said) == (1, True)
        status, out, _ = await postil(house, *add, "--allow-private")
        assert (status, out.splitlines()[0]) == (
            0,
            "added decisions; a policy names it as reviews: {webhook: decisions}",
        )
        assert out.splitlines()[-1].startswith("whsec_")
        assert (await postil(house, "webhooks", "test", "decisions"))[1] == "decisions accepted it with status 204\n"
        status, out, _ = await postil(house, "webhooks", "rotate", "decisions", "--overlap", "1h")
        assert (status, out.startswith("decisions signs with both until ")) == (0, True)
        status, _, said = await postil(house, "webhooks", "test", "decisions")
        assert (status, "decisions did not accept it: it answered 500" in said) == (1, True)
        assert [len(headers["webhook-signature"].split()) for headers in got] == [1, 2]
        _, out, _ = await postil(house, "webhooks", "list")
        assert out.splitlines()[1].split()[:3] == ["decisions", "legal", url]
        assert (await postil(house, "webhooks", "remove", "decisions"))[1] == "removed decisions\n"
        assert (await postil(house, "webhooks", "list"))[1].startswith("there are no webhooks; add one with")
