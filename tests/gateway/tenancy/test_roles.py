"""Who may do what on the admin API: every route, every role, and no way from one domain to another."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from postil.gateway.server.app import completion_parts, make_litestar
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import PERMISSIONS, Permission
from postil.registry.accounts.keys import OF_DOMAINS, Role
from tests.fakes.http import serving
from tests.gateway.conftest import FREE_TEXT, House, bearer
from tests.support.plain_http import plain_client

# The document of the API alone is for everybody: it says nothing of what is served here.
PUBLIC = "/api/v1/docs"
ROUTES = {
    ("GET", "/api/v1/adapters"): Permission.SEE,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}"): Permission.SEE,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/releases"): Permission.SEE,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/releases"): Permission.PUBLISH,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/artifact"): Permission.EXPORT,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/promote"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/rollback"): Permission.PUBLISH,
    ("PUT", "/api/v1/adapters/{domain:str}/{adapter:str}/channels/{which:str}"): Permission.PUBLISH,
    ("DELETE", "/api/v1/adapters/{domain:str}/{adapter:str}/channels/{which:str}"): Permission.PUBLISH,
    ("PUT", "/api/v1/adapters/{domain:str}/{adapter:str}/canary/steps"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/canary/next"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/canary/hold"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/canary/continue"): Permission.PUBLISH,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/agreement"): Permission.SEE,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/retire"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/restore"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/retire"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/restore"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/yank"): Permission.PUBLISH,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/unyank"): Permission.PUBLISH,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/evidence"): Permission.SEE,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/lineage"): Permission.SEE,
    ("POST", "/api/v1/adapters/{domain:str}/{adapter:str}/held-out-uses"): Permission.PUBLISH,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/releases/{number:int}/evidence/tenants"): Permission.SEE_KEYS,
    ("PUT", "/api/v1/domains/{domain:str}/default"): Permission.PUBLISH,
    ("POST", "/api/v1/domains/{domain:str}/freeze"): Permission.ADMINISTER,
    ("POST", "/api/v1/domains/{domain:str}/unfreeze"): Permission.ADMINISTER,
    ("PUT", "/api/v1/domains/{domain:str}/sources"): Permission.ADMINISTER,
    ("POST", "/api/v1/tenants/{name:str}/refuse"): Permission.ADMINISTER,
    ("POST", "/api/v1/tenants/{name:str}/admit"): Permission.ADMINISTER,
    ("PUT", "/api/v1/adapters/{domain:str}/{adapter:str}/pins/{tenant:str}"): Permission.ADMINISTER,
    ("DELETE", "/api/v1/adapters/{domain:str}/{adapter:str}/pins/{tenant:str}"): Permission.ADMINISTER,
    ("GET", "/api/v1/adapters/{domain:str}/{adapter:str}/examples"): Permission.REVIEW,
    ("GET", "/api/v1/reviews"): Permission.REVIEW,
    ("GET", "/api/v1/reviews/{review_id:str}"): Permission.REVIEW,
    ("POST", "/api/v1/reviews/{review_id:str}/assign"): Permission.REVIEW,
    ("POST", "/api/v1/reviews/{review_id:str}/approve"): Permission.REVIEW,
    ("POST", "/api/v1/reviews/{review_id:str}/edit"): Permission.REVIEW,
    ("POST", "/api/v1/reviews/{review_id:str}/reject"): Permission.REVIEW,
    ("POST", "/api/v1/reviews/{review_id:str}/undo"): Permission.REVIEW,
    ("GET", "/api/v1/events"): Permission.SEE,
    ("GET", "/api/v1/audit"): Permission.AUDIT,
    ("GET", "/api/v1/audit/head"): Permission.AUDIT,
    ("GET", "/api/v1/denied-attempts"): Permission.AUDIT,
    ("GET", "/api/v1/webhooks"): Permission.SEE,
    ("POST", "/api/v1/webhooks"): Permission.ADMINISTER,
    ("DELETE", "/api/v1/webhooks/{name:str}"): Permission.ADMINISTER,
    ("POST", "/api/v1/webhooks/{name:str}/rotate"): Permission.ADMINISTER,
    ("POST", "/api/v1/webhooks/{name:str}/test"): Permission.ADMINISTER,
    ("GET", "/api/v1/live"): Permission.SEE,
    ("GET", "/api/v1/diff"): Permission.SEE,
    ("GET", "/api/v1/policy-schema"): Permission.LOOK,
    ("GET", "/api/v1/plugins"): Permission.LOOK,
    ("POST", "/api/v1/gc"): Permission.ADMINISTER,
    ("GET", "/api/v1/tenants"): Permission.SEE_KEYS,
    ("POST", "/api/v1/tenants"): Permission.ADMINISTER,
    ("DELETE", "/api/v1/tenants/{name:str}"): Permission.ADMINISTER,
    ("GET", "/api/v1/keys"): Permission.SEE_KEYS,
    ("POST", "/api/v1/keys"): Permission.ADMINISTER,
    ("POST", "/api/v1/keys/{key_id:str}/rotate"): Permission.ADMINISTER,
    ("DELETE", "/api/v1/keys/{key_id:str}"): Permission.ADMINISTER,
    ("GET", "/api/v1/tenants/{name:str}/limits"): Permission.SEE_KEYS,
    ("PUT", "/api/v1/tenants/{name:str}/limits"): Permission.ADMINISTER,
    ("GET", "/api/v1/tenants/{name:str}/rights"): Permission.SEE_KEYS,
    ("PATCH", "/api/v1/tenants/{name:str}/rights"): Permission.ADMINISTER,
    ("GET", "/api/v1/usage"): Permission.SEE_USAGE,
    ("GET", "/api/v1/domains"): Permission.SEE_KEYS,
    ("PUT", "/api/v1/domains/{domain:str}/signing-keys"): Permission.ADMINISTER,
    ("GET", "/api/v1/domains/{domain:str}/quotas"): Permission.SEE_KEYS,
    ("PUT", "/api/v1/domains/{domain:str}/quotas"): Permission.ADMINISTER,
    ("POST", "/api/v1/tenants/{name:str}/forget"): Permission.ADMINISTER,
    ("POST", "/api/v1/reviews/purge"): Permission.ADMINISTER,
    ("GET", "/api/v1/status"): Permission.SEE,
}
HEALTH, LEGAL = "/api/v1/adapters/healthcare/triage", "/api/v1/adapters/legal/clause"


def routes(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Every route under ``/api`` but the public ones: method, path, handler."""
    for route in app.routes:
        if route.path.startswith("/api") and not route.path.startswith(PUBLIC):
            assert isinstance(route, HTTPRoute)
            for handler in route.route_handlers:
                for method in sorted(set(handler.http_methods) - {"OPTIONS"}):
                    yield str(method), route.path, handler


async def test_every_route_declares_what_it_asks_of_a_key_and_no_other_is_there(house: House) -> None:
    found = {
        (method, path): handler.opt.get("may")
        for method, path, handler in routes(make_litestar(house.runtime, completion_parts(house.runtime)))
    }
    assert found == ROUTES


async def test_without_a_key_no_route_says_anything_whatever_the_method(house: House) -> None:
    for path in sorted({path for _, path in ROUTES}):
        place = filled(path, "healthcare", "triage")
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            response = await house.client.request(method, place)
            assert response.status_code in (401, 405), (method, path, response.text)


@dataclass(frozen=True)
class Staff:
    """A key that works on the registry, and how its holder asks."""

    house: House
    key: str

    async def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.house.client.request(method, path, headers=bearer(self.key), **arguments)

    async def status(self, method: str, path: str, **arguments: Any) -> int:
        return (await self.ask(method, path, **arguments)).status_code


async def staff(house: House, role: Role, *domains: str, owner: str = "ann") -> Staff:
    """A key of that role."""
    body = {"owner": owner, "role": role, "domains": list(domains)}
    response = await house.admin("POST", "/api/v1/keys", json=body)
    assert response.status_code == 201, response.text
    return Staff(house, response.json()["key"])


@pytest.fixture
async def both(house: House) -> House:
    """An adapter in each of two domains, a second release of each, and a tenant in each."""
    for name in ("healthcare/triage", "legal/clause"):
        await house.publish(name, FREE_TEXT)
        await house.publish(name, FREE_TEXT, seed=1, live=False)
    await house.tenant("clinic", "healthcare")
    await house.tenant("firm", "legal")
    return house


def filled(path: str, domain: str, adapter: str) -> str:
    """A route's path with something in each place."""
    for place, value in {
        "{domain:str}": domain, "{adapter:str}": adapter, "{number:int}": "1", "{which:str}": "canary",
        "{tenant:str}": "clinic", "{review_id:str}": "0" * 32, "{name:str}": "nobody-there", "{key_id:str}": "0" * 12,
    }.items():  # fmt: skip
        path = path.replace(place, value)
    return path


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_passes_where_it_has_the_right_and_nowhere_else(both: House, role: Role) -> None:
    if role is Role.TENANT:
        body = {"owner": "clinic"}
        someone = Staff(both, (await both.admin("POST", "/api/v1/keys", json=body)).json()["key"])
    else:
        someone = await staff(both, role, *(["healthcare"] if role in OF_DOMAINS else []))
    for (method, path), right in ROUTES.items():
        response = await someone.ask(method, filled(path, "healthcare", "triage"))
        passed = response.status_code not in (401, 403)
        assert passed == (right in PERMISSIONS[role]), (role, method, path, response.text)
        if not passed:
            assert response.json()["type"] == "about:blank#permission_error"


@pytest.mark.parametrize("role", sorted(OF_DOMAINS))
async def test_a_key_of_one_domain_opens_no_path_of_another(both: House, role: Role) -> None:
    someone = await staff(both, role, "healthcare")
    before = (await both.admin("GET", LEGAL)).json()
    for method, path in ROUTES:
        if "{domain:str}" in path:
            for adapter in ("clause", "nothing"):
                response = await someone.ask(method, filled(path, "legal", adapter), json={"release": 2, "weight": 5})
                assert response.status_code == 403, (method, path)
    assert (await both.admin("GET", LEGAL)).json() == before


async def test_a_publisher_sees_nothing_of_another_domain(both: House) -> None:
    ann = await staff(both, Role.PUBLISHER, "healthcare")
    await both.admin("PUT", f"{LEGAL}/channels/canary", json={"release": 2, "weight": 10})
    await both.admin("PUT", f"{LEGAL}/pins/firm", json={"release": 2})
    for path, params in (
        ("/api/v1/adapters", {}), ("/api/v1/events", {}), ("/api/v1/status", {}),
        ("/api/v1/live", {"at": "2999-01-01"}),
        (HEALTH, {}), ("/api/v1/events", {"adapter": "healthcare/triage"}),
        ("/api/v1/diff", {"from": "healthcare/triage@1", "to": "healthcare/triage@2"}),
    ):  # fmt: skip
        response = await ann.ask("GET", path, params=params)
        assert response.status_code == 200, path
        assert "healthcare/triage" in response.text, path
        assert not {word for word in ("legal", "clause", "firm") if word in response.text}, path
        everything = (await both.admin("GET", path, params=params)).text
        assert "legal" in everything or "triage" in path + str(params), "there was something to hide"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/v1/events", {"adapter": "legal/clause"}),
        ("/api/v1/diff", {"to": "legal/clause@2"}),
        ("/api/v1/diff", {"from": "legal/clause@1", "to": "healthcare/triage@2"}),
        ("/api/v1/diff", {"from": "healthcare/triage@1", "to": "legal/clause@2"}),
    ],
)
async def test_a_publisher_cannot_name_another_domain(both: House, path: str, params: dict[str, str]) -> None:
    ann = await staff(both, Role.PUBLISHER, "healthcare")
    response = await ann.ask("GET", path, params=params)
    assert response.status_code == 403
    assert response.json()["detail"] == "this publisher's key is for healthcare only; ask an admin for another key"


async def test_a_publisher_does_all_of_its_work_in_its_own_name(both: House) -> None:
    ann = await staff(both, Role.PUBLISHER, "healthcare")
    headers = {**bearer(ann.key), "x-postil-actor": "the boss"}

    async def act(method: str, path: str, **body: Any) -> None:
        response = await both.client.request(method, f"{HEALTH}/{path}", headers=headers, json=body or None)
        assert response.status_code == 200, response.text

    await act("PUT", "channels/shadow", release=2, weight=10)
    await act("DELETE", "channels/shadow")
    await act("PUT", "channels/canary", release=2, weight=10)
    await act("POST", "promote", release=2)
    await act("POST", "rollback", to=1)
    assert (await ann.ask("GET", f"{HEALTH}/releases/1/artifact")).status_code == 200
    events = (await both.admin("GET", HEALTH)).json()["events"]
    mine = [event["action"] for event in events if event["actor"] == "ann"]
    assert mine == ["shadow", "shadow-end", "canary", "canary-end", "promote", "rollback", "export"]
    assert not [event for event in events if event["actor"] == "the boss"]


async def test_an_admins_key_acts_in_its_owners_name_and_the_key_file_in_whatever_name_is_given(both: House) -> None:
    eve = await staff(both, Role.ADMIN, owner="eve")
    for key, says, by in ((eve.key, "root", "eve"), (both.admin_key, "bob", "bob")):
        headers = {**bearer(key), "x-postil-actor": says}
        body = {"name": f"made-by-{by}", "domains": ["legal"]}
        assert (await both.client.post("/api/v1/tenants", headers=headers, json=body)).status_code == 201
    events = (await both.admin("GET", "/api/v1/events")).json()["data"]
    assert {event["subject"]: event["actor"] for event in events if event["action"] == "tenant-add"} == {
        "clinic": "admin",
        "firm": "admin",
        "made-by-eve": "eve",
        "made-by-bob": "bob",
    }


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.REVIEWER, Role.VIEWER])
async def test_who_works_on_the_registry_asks_for_no_answers(both: House, role: Role) -> None:
    someone = await staff(both, role, *(["healthcare"] if role in OF_DOMAINS else []))
    for model in ("healthcare", "base"):
        response = await both.ask(someone.key, model=model)
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "key_forbidden"
    assert await someone.status("GET", "/v1/models") == 403
    assert both.engine.requests == []


async def test_an_admins_key_may_ask_everything(both: House) -> None:
    eve = await staff(both, Role.ADMIN, owner="eve")
    assert (await both.ask(eve.key, model="legal")).status_code == 200


async def test_a_route_that_declares_nothing_is_shut_even_for_the_admin(house: House) -> None:
    app = make_litestar(house.runtime, completion_parts(house.runtime))
    for _, path, handler in routes(app):
        if path == "/api/v1/status":
            handler.opt.clear()
    async with serving(app, lifespan="off") as url, plain_client(url) as client:
        assert (await client.get("/api/v1/status", headers=bearer(house.admin_key))).status_code == 403
        assert (await client.get("/api/v1/adapters", headers=bearer(house.admin_key))).status_code == 200


DOMAINS = st.sampled_from(["healthcare", "legal", "finance"])


@given(
    role=st.sampled_from(list(Role)),
    right=st.sampled_from(list(Permission)),
    own=st.frozensets(DOMAINS),
    domain=DOMAINS,
)
def test_a_right_holds_in_a_key_s_own_domains_only(
    role: Role, right: Permission, own: frozenset[str], domain: str
) -> None:
    caller = Caller("", frozenset(), role=role, scope=own if role in OF_DOMAINS else None)
    may = caller.may(right, domain)
    assert may == (right in PERMISSIONS[role] and (role not in OF_DOMAINS or domain in own))
    assert not may or caller.may(right), "whoever may somewhere passes the door"
    assert not caller.may_ask(domain)


def test_nobody_but_the_admin_administers_and_a_tenant_has_no_right_at_all() -> None:
    assert [role for role in Role if Permission.ADMINISTER in PERMISSIONS[role]] == [Role.ADMIN]
    assert PERMISSIONS[Role.TENANT] == frozenset()
    assert set(itertools.chain.from_iterable(PERMISSIONS.values())) == set(Permission)
    assert json.dumps(sorted(PERMISSIONS)) == json.dumps(sorted(Role)), "every role has its rights"
