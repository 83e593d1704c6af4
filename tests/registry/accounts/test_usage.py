"""What was used: added in batches, each once, whatever fails and in whatever order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.registry.accounts import usage
from postil.registry.accounts.usage import ANSWER, RETRY, SHADOW, Account, Batch, UsageRow, Window
from postil.registry.db.database import Database
from tests.registry.releases.test_concurrency import MANY, at_once

DAY = date(2026, 11, 1)


def account(
    tenant: str = "clinic", number: int = 1, kind: str = ANSWER, *, day: date = DAY, name: str = "triage"
) -> Account:
    """Who used it."""
    return Account(day, tenant, "healthcare", name, number, kind)


def counts(entry: Mapping[str, Any]) -> tuple[int, ...]:
    """The figures of an entry."""
    return tuple(entry[name] for name in ("requests", "uncounted", "prompt_tokens", "completion_tokens"))


def add(database: Database, batch: Batch) -> None:
    """Add a batch now."""
    usage.add(database, batch, time.time())


BASE = Account(DAY, "clinic", "", "", 0, ANSWER)


@pytest.fixture
def filled(database: Database) -> Database:
    """Some use of two tenants on two days."""
    later = DAY + timedelta(days=1)
    add(
        database,
        Batch(
            "one",
            1,
            {
                account(): UsageRow(2, 0, 20, 5),
                account(number=2): UsageRow(1, 1, 0, 0),
                account("bank"): UsageRow(4, 0, 40, 10),
                account(day=later): UsageRow(1, 0, 7, 3),
                account(kind=RETRY): UsageRow(1, 0, 11, 4),
                account(kind=SHADOW): UsageRow(3, 0, 30, 9),
                account(name="notes"): UsageRow(1, 0, 1, 1),
                BASE: UsageRow(1, 0, 100, 200),
            },
        ),
    )
    return database


def test_it_adds_up_by_tenant(filled: Database) -> None:
    bank, clinic = usage.report(filled, "tenant").items
    assert (bank["tenant"], *counts(bank)) == ("bank", 4, 0, 40, 10)
    assert (clinic["tenant"], *counts(clinic)) == ("clinic", 6, 1, 128, 209)
    assert counts(clinic[RETRY]) == (1, 0, 11, 4)
    assert counts(clinic[SHADOW]) == (3, 0, 30, 9)
    assert RETRY not in bank


def test_it_adds_up_by_adapter_release_and_day(filled: Database) -> None:
    def by(what: str) -> dict[str, int]:
        return {entry[what]: entry["prompt_tokens"] for entry in usage.report(filled, what).items}

    assert by("adapter") == {"base": 100, "healthcare/notes": 1, "healthcare/triage": 67}
    assert by("release") == {
        "base": 100,
        "healthcare/notes@1": 1,
        "healthcare/triage@1": 67,
        "healthcare/triage@2": 0,
    }
    assert by("day") == {"2026-11-01": 161, "2026-11-02": 7}


@pytest.mark.parametrize(
    ("within", "prompt"),
    [
        ({"tenant": "bank"}, 40),
        ({"adapter": ("", "")}, 100),
        ({"adapter": ("healthcare", "notes")}, 1),
        ({"since": DAY + timedelta(days=1)}, 7),
        ({"until": DAY}, 161),
        ({"tenant": "nobody"}, 0),
        ({"tenant": "clinic", "adapter": ("healthcare", "triage"), "since": DAY, "until": DAY}, 20),
    ],
)
def test_only_what_is_asked_for_counts(filled: Database, within: dict[str, Any], prompt: int) -> None:
    assert sum(entry["prompt_tokens"] for entry in usage.report(filled, "tenant", **within).items) == prompt


def test_a_batch_that_comes_again_counts_once(database: Database) -> None:
    batch = Batch(
        "one", 1, {account(): UsageRow(1, 0, 2, 3)}, {Window("clinic", "tokens", 60, int(time.time() // 60)): 5}
    )
    for _ in range(3):
        add(database, batch)
    (entry,) = usage.report(database, "tenant").items
    assert counts(entry) == (1, 0, 2, 3)
    assert [*usage.spent(database, time.time()).values()] == [5]


def test_tokens_beyond_four_bytes_are_counted(database: Database) -> None:
    for number in (1, 2):
        add(database, Batch("one", number, {account(): UsageRow(1, 0, 2**40, 2**41)}))
    (entry,) = usage.report(database, "tenant").items
    assert counts(entry) == (2, 0, 2**41, 2**42)


ACCOUNTS = st.sampled_from([account(), account("bank"), account(number=2), account(kind=RETRY), BASE])
PARTS = st.dictionaries(ACCOUNTS, st.builds(UsageRow, *[st.integers(0, 10**6)] * 4), max_size=4)


@given(st.lists(st.tuples(st.integers(0, 2), PARTS, st.integers(1, 3)), max_size=8), st.data())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_add_up_whatever_order_the_writers_flush_in(
    database: Database, parts: list[tuple[int, dict[Account, UsageRow], int]], data: st.DataObject
) -> None:
    """Each writer's batches come in their order, each once or several times; writers come in any order."""
    before = _sums(database)
    run = str(data.draw(st.uuids()).hex[:8]) + str(time.perf_counter_ns())
    queues: dict[int, list[Batch]] = {}
    for writer, used, times in parts:
        queue = queues.setdefault(writer, [])
        number = len({batch.number for batch in queue}) + 1
        queue += [Batch(f"{writer}-{run}"[:32], number, used)] * times
    while any(queues.values()):
        writer = data.draw(st.sampled_from([writer for writer, queue in queues.items() if queue]))
        add(database, queues[writer].pop(0))
    expected = Counter(before)
    for _, used, _ in parts:
        for key, figures in used.items():
            expected.update({(key.tenant, name): value for name, value in figures._asdict().items()})
    assert _sums(database) == +expected


def _sums(database: Database) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for entry in usage.report(database, "tenant").items:
        for part in (entry, entry.get(RETRY, {})):
            found.update({(entry["tenant"], name): part[name] for name in UsageRow._fields if name in part})
    return +found


def test_many_gateways_at_once_lose_nothing(database: Database) -> None:
    window = Window("clinic", "requests", 60, int(time.time() // 60))

    def act(which: int) -> None:
        for number in range(1, 6):
            accounts = [account(), account("bank"), BASE]
            add(database, Batch(f"w{which}", number, {key: UsageRow(1, 0, 2, 3) for key in accounts}, {window: 4}))

    at_once(act)
    bank, clinic = usage.report(database, "tenant").items
    batches = 5 * MANY
    assert counts(bank) == (batches, 0, 2 * batches, 3 * batches)
    assert counts(clinic) == (2 * batches, 0, 4 * batches, 6 * batches)
    assert usage.spent(database, time.time())[window] == 4 * batches


def test_windows_that_count_no_more_are_forgotten(database: Database) -> None:
    now = time.time()
    minute = int(now // 60)
    windows = {Window("clinic", "tokens", 60, minute - back): 1 for back in range(4)}
    add(database, Batch("one", 1, {}, windows))
    assert {minute - window.window for window in usage.spent(database, now)} == {0, 1}
    add(database, Batch("one", 101, {account(): UsageRow(1)}, {}))
    assert {minute - window.window for window in usage.spent(database, now - 60)} <= {0, 1}
