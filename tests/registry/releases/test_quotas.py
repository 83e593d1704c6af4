from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postil.registry.db.tables import Domain, Release
from postil.registry.errors import LimitError, NotFoundError, QuotaError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import parse_policy
from postil.registry.releases import history
from postil.registry.releases.garbage import collect_garbage
from postil.registry.releases.quotas import NO_QUOTAS, DomainQuotas, of_domain, quotas_of, set_quotas
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter

TRIAGE = AdapterName("healthcare", "triage")


def published(registry: Registry, seed: int = 0, policy: Any = None, domain: str = "healthcare") -> Release:
    """A release of an adapter with weights of its own for each seed."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter", seed=seed)
        return registry.publish(made, AdapterName(domain, "triage"), policy, note="", actor="ann")[0]


def test_a_domain_takes_no_release_more_than_it_may_but_the_same_one_again(registry: Registry) -> None:
    few = replace(registry, quotas=DomainQuotas(releases=2))
    published(few)
    published(few, seed=1)
    with pytest.raises(QuotaError, match=r"domain healthcare has 2 releases, as many as it may.*--releases 4"):
        published(few, seed=2)
    assert published(few).number == 1
    published(few, seed=2, domain="legal")
    set_quotas(few.database, "healthcare", DomainQuotas(releases=3), reason="grown", actor="ann")
    assert published(few, seed=2).number == 3


def test_a_domain_keeps_no_more_bytes_than_it_may_and_what_is_refused_is_not_kept(registry: Registry) -> None:
    small = replace(registry, quotas=DomainQuotas(artifact_mib=1))
    first = published(small)
    # An adapter of the tests has some kilobytes; this one takes nearly all that is allowed.
    padding = small.artifacts.verified_path(first.artifact) / "padding"
    with padding.open("wb") as file:
        file.truncate((1 << 20) - 100)
    with pytest.raises(QuotaError, match=r"would take 2 MiB, and it may have 1; delete.*--artifact-mib 2"):
        published(small, seed=1)
    assert list(small.artifacts.sizes()) == [first.artifact]
    padding.unlink()
    # The same files under another policy take nothing more.
    assert published(small, policy=parse_policy("system_prompt: other")).number == 2
    published(small, seed=1)
    assert len(collect_garbage(small.database, small.artifacts, keep=1, actor="ann")) == 1
    published(small, seed=2)


def test_a_domains_own_figures_hold_before_the_gateways(registry: Registry) -> None:
    published(registry)
    database = registry.database
    assert quotas_of(database, "healthcare") == NO_QUOTAS
    wanted = DomainQuotas(releases=5, review_days=7)
    for _ in range(2):
        set_quotas(database, "healthcare", wanted, reason="small", actor="ann")
    assert quotas_of(database, "healthcare") == wanted
    assert wanted.over(DomainQuotas(releases=9, artifact_mib=3)) == DomainQuotas(
        releases=5, artifact_mib=3, review_days=7
    )
    changes = [event for event in history.events(database).items if event.action == "domain-quotas"]
    assert [(event.subject, event.reason, event.details) for event in changes] == [
        ("healthcare", "small", {"before": {}, "after": {"releases": 5, "review_days": 7}})
    ]


def test_quotas_that_cannot_be_are_refused(registry: Registry) -> None:
    for wrong in (0, -1, 2**31):
        with pytest.raises(LimitError, match=f"releases cannot be {wrong}"):
            DomainQuotas(releases=wrong)
    for act in (
        lambda: quotas_of(registry.database, "nothing"),
        lambda: set_quotas(registry.database, "nothing", NO_QUOTAS, reason="", actor="ann"),
    ):
        with pytest.raises(NotFoundError, match="there is no domain nothing"):
            act()


def test_figures_of_a_later_version_are_ignored() -> None:
    domain = Domain(name="x", default_adapter="y", quotas={"releases": 3, "pages": 7})
    assert of_domain(domain) == DomainQuotas(releases=3)
    assert of_domain(None) == NO_QUOTAS


def test_who_works_on_the_domain_sees_in_the_log_that_its_quotas_changed(registry: Registry) -> None:
    published(registry)
    set_quotas(registry.database, "healthcare", DomainQuotas(releases=3), reason="grown", actor="ann")
    found = history.events(registry.database, domains=["healthcare"], newest_first=True).items
    assert (found[0].action, found[0].subject) == ("domain-quotas", "healthcare")
    assert "domain-quotas" not in {event.action for event in history.events(registry.database, domains=["legal"]).items}
