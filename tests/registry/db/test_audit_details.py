"""The chain holds the details of an event too, and rows from before there were any are as good as ever."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from postil.registry.db.audit_chain import GENESIS, first_break, seal
from postil.registry.db.database import Database
from postil.registry.db.tables import Event
from postil.registry.names import AdapterName
from postil.registry.releases import audit, channels, history
from postil.registry.releases.channels import CANARY
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
DETAILS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)


def sealed(details: Any) -> Event:
    """A log of one event."""
    event = Event(
        sequence=1, at=datetime(2026, 1, 1, tzinfo=UTC), actor="ann", action="canary", subject="a/b", reason="",
        before=None, after=2, details=details, previous=GENESIS, hash="",
    )  # fmt: skip
    return seal(event)


def as_json(details: Any) -> str:
    """What tells two details apart."""
    return json.dumps(details, sort_keys=True)


@given(DETAILS, DETAILS)
@settings(deadline=None, max_examples=200)
def test_an_edit_of_the_details_is_found(details: dict[str, Any], other: dict[str, Any]) -> None:
    event = sealed(details)
    assert first_break([event]) is None
    assume(as_json(details) != as_json(other))
    event.details = other
    assert first_break([event]) == 1


@pytest.mark.parametrize("other", [None, [], 0, False, "", {"weight": 0}])
def test_nothing_can_be_put_in_the_place_of_no_details(other: Any) -> None:
    event = sealed({})
    event.details = other
    assert first_break([event]) == 1


@given(DETAILS)
@settings(deadline=None, max_examples=50)
def test_details_that_went_through_json_are_as_they_were_sealed(details: dict[str, Any]) -> None:
    event = sealed(details)
    event.details = json.loads(json.dumps(details))
    assert first_break([event]) is None


@pytest.fixture
def tried(registry: Registry, publish: Publish) -> Database:
    """A database with events of every kind of details: of a canary, a pin, a finding with figures."""
    for seed in range(2):
        publish(seed=seed)
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    database = registry.database
    channels.point(database, TRIAGE.release(2), CANARY, 10 / 3, reason="", actor="ann")
    channels.pin(database, "clinic", TRIAGE.release(2), reason="", actor="ann")
    finding = {"signal": "slow answers", "e_value": math.exp(700), "slow_after": None, "note": "Ünïcode 😀"}
    channels.clear(database, TRIAGE, CANARY, reason="worse", actor="postil", details={"finding": finding})
    return database


def test_a_log_with_details_holds(tried: Database) -> None:
    assert audit.verify(tried) == audit.Report(6, None, [])
    assert history.log(tried)[3].details == {"weight": 10 / 3}
    assert history.log(tried)[5].details["finding"]["note"] == "Ünïcode 😀"


@pytest.mark.parametrize(
    ("sequence", "details"),
    [
        (4, '{"weight": 3}'),
        (5, '{"tenant": "hospital"}'),
        (6, "{}"),
        (1, '{"weight": 3}'),
        *((sequence, odd) for sequence in (1, 3, 4, 5) for odd in ("null", "[]", '"tenant"', "0", "true")),
        (4, '{"weight": []}'),
        (4, '{"weight": 1' + "0" * 400 + "}"),
        (5, '{"tenant": {}}'),
    ],
)
def test_a_detail_that_was_edited_in_the_database_is_found(tried: Database, sequence: int, details: str) -> None:
    with tried.engine.begin() as connection:
        connection.execute(
            text("UPDATE event SET details = CAST(:details AS JSON) WHERE sequence = :sequence")
            if tried.engine.dialect.name == "postgresql"
            else text("UPDATE event SET details = :details WHERE sequence = :sequence"),
            {"details": details, "sequence": sequence},
        )
    assert audit.verify(tried).first_break == sequence
