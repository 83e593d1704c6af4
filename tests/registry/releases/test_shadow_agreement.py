"""How shadows agree: counts that are added to, and never lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.registry.db.database import Database
from postil.registry.db.tables import Agreement
from postil.registry.names import AdapterName
from postil.registry.releases import shadow_agreement as agreements
from postil.registry.releases.shadow_agreement import Compared
from tests.registry.releases.test_concurrency import MANY, at_once

TRIAGE = AdapterName("healthcare", "triage")
NOTES = AdapterName("healthcare", "notes")
VERDICTS = ("agreed", "differed", "failed", "skipped")


def compared(verdict: str, answered: int = 1, shadow: int = 2, name: AdapterName = TRIAGE) -> Compared:
    """One comparison."""
    return Compared(name.release(answered), name.release(shadow), verdict)


def counts(row: Agreement) -> tuple[int, int, int, int]:
    """What a row counts."""
    return row.compared, row.agreed, row.failed, row.skipped


def test_every_verdict_is_counted_where_it_belongs(database: Database) -> None:
    agreements.add(
        database,
        {compared("agreed"): 5, compared("differed"): 3, compared("failed"): 2, compared("skipped"): 7},
    )
    (row,) = agreements.of(database, TRIAGE)
    assert counts(row) == (8, 5, 2, 7)
    assert (row.domain, row.adapter, row.answered, row.shadow) == ("healthcare", "triage", 1, 2)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("agreed", (1, 1, 0, 0)), ("differed", (1, 0, 0, 0)), ("failed", (0, 0, 1, 0)), ("skipped", (0, 0, 0, 1))],
)
def test_the_first_count_of_a_pair_makes_its_row(
    database: Database, verdict: str, expected: tuple[int, int, int, int]
) -> None:
    agreements.add(database, {compared(verdict): 1})
    assert [counts(row) for row in agreements.of(database, TRIAGE)] == [expected]


@given(st.lists(st.dictionaries(st.sampled_from(VERDICTS), st.integers(1, 100)), max_size=6))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_add_up_however_they_come(database: Database, parts: list[dict[str, int]]) -> None:
    before = Counter(_by_verdict(database))
    for part in parts:
        agreements.add(database, {compared(verdict): count for verdict, count in part.items()})
    total = sum((Counter(part) for part in parts), Counter[str]())
    assert Counter(_by_verdict(database)) == before + total


def _by_verdict(database: Database) -> dict[str, int]:
    rows = agreements.of(database, TRIAGE)
    if not rows:
        return {}
    compared_, agreed, failed, skipped = counts(rows[0])
    return dict(zip(VERDICTS, (agreed, compared_ - agreed, failed, skipped), strict=True))


def test_pairs_and_adapters_are_counted_apart_the_newest_shadow_first(database: Database) -> None:
    agreements.add(
        database,
        {
            compared("agreed", 1, 2): 1, compared("agreed", 1, 3): 2, compared("agreed", 2, 3): 3,
            compared("agreed", 1, 2, NOTES): 4,
        },
    )  # fmt: skip
    rows = agreements.of(database, TRIAGE)
    assert [(row.shadow, row.answered, row.agreed) for row in rows] == [(3, 2, 3), (3, 1, 2), (2, 1, 1)]
    assert [counts(row) for row in agreements.of(database, NOTES)] == [(4, 4, 0, 0)]


def test_nothing_to_add_changes_nothing(database: Database) -> None:
    agreements.add(database, {})
    assert agreements.of(database, TRIAGE) == []


def test_counts_of_many_at_once_are_all_there(database: Database) -> None:
    times = 5

    def act(_: int) -> None:
        for _ in range(times):
            agreements.add(database, {compared("agreed"): 2, compared("differed"): 1, compared("skipped"): 3})

    at_once(act)
    (row,) = agreements.of(database, TRIAGE)
    assert counts(row) == (3 * MANY * times, 2 * MANY * times, 0, 3 * MANY * times)
