"""What a policy may name of other domains: its publisher's own, signed as the first domain asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.defaults import SIGNATURE
from postil.registry.errors import PolicyError
from postil.registry.names import parse_adapter
from postil.registry.policy.policy import Policy, parse_policy
from postil.registry.releases.service import Registry
from postil.registry.signing.bundles import sign
from postil.registry.signing.requirements import SignatureGate, require
from tests.fakes.adapters import write_adapter
from tests.fakes.signing import KeyPair, key_pair
from tests.registry.conftest import Publish


def reaching(release: str) -> Policy:
    return parse_policy(f"fallback: [{{name: other_release, config: {{release: '{release}'}}}}]")


def publish(
    registry: Registry, name: str, policy: Policy | None, *, scope: list[str] | None = None, key: KeyPair | None = None
) -> int:
    """Publish as somebody who works on the domains of ``scope``, signed with ``key``."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter", seed=len(name))
        if key is not None:
            (made / SIGNATURE).write_bytes(sign(made, key.private))
        release, _ = registry.publish(made, parse_adapter(name), policy, note="", actor="ann", scope=scope)
    return release.number


def refusal(registry: Registry, policy: Policy | None, **how: object) -> str:
    with pytest.raises(PolicyError) as caught:
        publish(registry, "healthcare/triage", policy, **how)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_publisher_names_only_releases_of_its_own_domains_and_learns_of_no_other(
    registry: Registry, publish_clause: None
) -> None:
    said = {refusal(registry, reaching(name), scope=["healthcare"]) for name in ("legal/clause@1", "legal/nothing@7")}
    assert said == {
        "fallback `other_release` names a release of legal, and this key is for healthcare only;"
        " ask an admin to publish this policy"
    }


@pytest.mark.parametrize("named", ["legal/clause@1", "legal/clause", "legal/clause@9", "legal/nothing", "previous"])
@pytest.mark.parametrize("scope", [None, ["healthcare", "legal"]])
def test_who_works_on_both_domains_may_name_what_is_there_or_will_be(
    registry: Registry, publish_clause: None, named: str, scope: list[str] | None
) -> None:
    assert publish(registry, "healthcare/triage", reaching(named), scope=scope) == 1


def test_releases_of_ones_own_domain_are_named_freely(registry: Registry) -> None:
    assert publish(registry, "healthcare/triage", reaching("healthcare/coding@3"), scope=["healthcare"]) == 1


def test_the_policy_in_force_is_held_against_the_same_wall(registry: Registry, publish_clause: None) -> None:
    publish(registry, "healthcare/triage", reaching("legal/clause@1"))
    assert "names a release of legal" in refusal(registry, None, scope=["healthcare"])


@pytest.fixture
def publish_clause(registry: Registry, publish: Publish) -> None:
    """``legal/clause@1``, which is live and not signed."""
    publish("legal/clause", seed=3)
    registry.promote(parse_adapter("legal/clause").release(1), reason="", actor="ann")


@pytest.mark.parametrize("named", ["legal/clause@1", "legal/clause"])
def test_a_domain_that_requires_signatures_takes_no_unsigned_weights_of_another(
    registry: Registry, publish_clause: None, tmp_path: Path, named: str
) -> None:
    ours = key_pair(tmp_path, "ours")
    require(registry.database, "healthcare", [ours.pem], reason="", actor="ann")
    sentence = refusal(registry, reaching(named), key=ours)
    assert sentence.startswith(f"fallback `other_release` names {named}: healthcare takes signed adapters only")


def test_a_signature_that_the_first_domain_accepts_is_as_good_where_the_second_has_it(
    registry: Registry, tmp_path: Path
) -> None:
    ours = key_pair(tmp_path, "ours")
    publish(registry, "legal/clause", None, key=ours)
    require(registry.database, "healthcare", [ours.pem], reason="", actor="ann")
    publish(registry, "healthcare/triage", reaching("legal/clause@1"), key=ours)
    borrowed = registry.release(parse_adapter("legal/clause").release(1))
    SignatureGate(lambda: registry.database).check("healthcare", borrowed.artifact)
