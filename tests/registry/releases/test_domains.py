"""Which adapter answers for its domain."""

from __future__ import annotations

import pytest

from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases.domains import set_default
from postil.registry.releases.retire import retire_adapter
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

NOTES = AdapterName("healthcare", "notes")


@pytest.fixture
def both(registry: Registry, publish: Publish) -> Registry:
    """Two adapters; the first answers for the domain."""
    publish("healthcare/triage")
    publish("healthcare/notes")
    return registry


def test_another_adapter_answers_for_the_domain_and_the_log_says_which_did_before(both: Registry) -> None:
    assert both.default_adapters() == {"healthcare": "triage"}
    set_default(both.database, NOTES, reason="better", actor="ann")
    assert both.default_adapters() == {"healthcare": "notes"}
    event = both.state(NOTES).events[-1]
    assert (event.action, event.actor, event.reason, event.details) == (
        "set-default", "ann", "better", {"before": "triage"}
    )  # fmt: skip


def test_the_one_that_does_already_a_retired_one_and_one_that_is_not_there_are_refused(both: Registry) -> None:
    with pytest.raises(ConflictError, match="healthcare/triage answers for healthcare already"):
        set_default(both.database, AdapterName("healthcare", "triage"), reason="", actor="ann")
    with pytest.raises(NotFoundError):
        set_default(both.database, AdapterName("healthcare", "none"), reason="", actor="ann")
    retire_adapter(both.database, NOTES, reason="", actor="ann")
    with pytest.raises(ConflictError, match="postil adapters restore healthcare/notes"):
        set_default(both.database, NOTES, reason="", actor="ann")
