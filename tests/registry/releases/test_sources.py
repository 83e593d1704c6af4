"""The sources that publishers of a domain may fetch from with the gateway's token."""

from __future__ import annotations

import pytest

from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.errors import ConflictError, NameInvalidError, NotFoundError
from postil.registry.releases import history
from postil.registry.releases.service import Registry
from postil.registry.releases.sources import MOST, is_allowed, set_sources
from tests.registry.conftest import Publish


@pytest.fixture
def known(registry: Registry, publish: Publish) -> Registry:
    """A registry with a domain."""
    publish("legal/clause")
    return registry


def allow(registry: Registry, *patterns: str, domain: str = "legal") -> list[str]:
    return set_sources(registry.database, domain, patterns, reason="ours", actor="ann").sources


def test_no_source_is_allowed_that_nobody_allowed(known: Registry) -> None:
    assert not is_allowed(known.database, "legal", HubRef("acme/clause"))
    assert not is_allowed(known.database, "law", HubRef("acme/clause"))


def test_a_repository_or_a_whole_organization_is_allowed_for_one_domain(known: Registry, publish: Publish) -> None:
    publish("finance/intent")
    assert allow(known, "hf://acme/clause", "hf://firm/*", "hf://firm/*") == ["hf://acme/clause", "hf://firm/*"]
    allowed = [HubRef("acme/clause"), HubRef("acme/clause", "main"), HubRef("firm/anything")]
    assert all(is_allowed(known.database, "legal", ref) for ref in allowed)
    others = [HubRef("acme/clause2"), HubRef("firms/anything"), HubRef("x/firm")]
    assert not any(is_allowed(known.database, "legal", ref) for ref in others)
    assert not is_allowed(known.database, "finance", HubRef("acme/clause"))


def test_new_sources_replace_the_old_ones_and_stand_in_the_log(known: Registry) -> None:
    allow(known, "hf://acme/clause")
    assert allow(known) == []
    event = history.log(known.database)[-1]
    assert (event.action, event.subject, event.details) == (
        "domain-sources",
        "legal",
        {"sources": [], "before": ["hf://acme/clause"]},
    )
    with pytest.raises(ConflictError, match="has these sources already"):
        allow(known)


@pytest.mark.parametrize(
    "pattern", ["acme/*", "hf://*/clause", "hf://acme", "hf://acme/cl*", "hf://acme/..", "s3://a/b"]
)
def test_what_is_no_source_is_refused(known: Registry, pattern: str) -> None:
    with pytest.raises(NameInvalidError, match="is not a source"):
        allow(known, pattern)


def test_sources_have_a_bound_and_a_domain(known: Registry) -> None:
    with pytest.raises(NameInvalidError, match="too many"):
        allow(known, *(f"hf://acme/{number}" for number in range(MOST + 1)))
    with pytest.raises(NotFoundError, match="there is no domain law"):
        allow(known, "hf://acme/*", domain="law")
