"""What a publisher learns of its own domain: all that was done to adapters, and not who the tenants are."""

from __future__ import annotations

from pathlib import Path

from postil.registry.accounts.keys import Role
from tests.fakes.signing import key_pair
from tests.gateway.conftest import House
from tests.gateway.tenancy.test_roles import HEALTH, staff
from tests.gateway.tenancy.test_roles import both as both


async def test_a_publisher_does_not_learn_who_the_tenants_of_its_own_domain_are(both: House) -> None:
    ann, eve = await staff(both, Role.PUBLISHER, "healthcare"), await staff(both, Role.VIEWER, owner="eve")
    await both.tenant("hospital", "healthcare")
    for tenant in ("clinic", "hospital"):
        await both.admin("PUT", f"{HEALTH}/pins/{tenant}", json={"release": 2, "reason": f"{tenant} asked"})
    await both.admin("DELETE", f"{HEALTH}/pins/hospital", params={"reason": "hospital asked"})
    await both.admin("PUT", f"{HEALTH}/pins/hospital", json={"release": 2})
    everything = ("/api/v1/adapters", HEALTH, "/api/v1/events", "/api/v1/status")
    for path in everything:
        found = (await ann.ask("GET", path)).text
        assert not {word for word in ("clinic", "hospital") if word in found}, path
        assert ("clinic" in (await eve.ask("GET", path)).text) is (path != "/api/v1/adapters"), path
    promoted = await ann.ask("POST", f"{HEALTH}/promote", json={"release": 2, "dry_run": True})
    assert (promoted.status_code, "clinic" in promoted.text) == (200, False)
    seen = (await ann.ask("GET", HEALTH)).json()
    assert (seen["pins"], seen["pinned"]) == ({}, {"2": 2})
    assert (await eve.ask("GET", HEALTH)).json()["pins"] == {"clinic": 2, "hospital": 2}
    assert [event["action"] for event in seen["events"]][-4:] == ["pin", "pin", "unpin", "pin"]
    held = {row["release"]: row["reasons"] for row in (await ann.ask("GET", "/api/v1/status")).json()["adapters"]}
    assert held["healthcare/triage@2"] == ["pin of a tenant"]


async def test_a_publisher_sees_what_signatures_its_own_domain_requires_in_the_log_and_no_tenant_called_like_it(
    both: House, tmp_path: Path
) -> None:
    ann = await staff(both, Role.PUBLISHER, "healthcare")
    await both.tenant("healthcare", "healthcare")
    for domain in ("healthcare", "legal"):
        body = {"keys": [key_pair(tmp_path, "ours").pem], "reason": "what answers is signed"}
        assert (await both.admin("PUT", f"/api/v1/domains/{domain}/signing-keys", json=body)).status_code == 200
    seen = [event for event in (await ann.ask("GET", "/api/v1/events")).json()["data"] if "/" not in event["subject"]]
    assert [(event["action"], event["subject"], event["reason"]) for event in seen] == [
        ("signature-require", "healthcare", "what answers is signed")
    ]
