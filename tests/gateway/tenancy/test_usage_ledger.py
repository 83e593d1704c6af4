"""Usage on its way to the database: whatever fails, nothing is lost and nothing counts twice."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from postil.gateway.tenancy.quota import Quota, quota
from postil.gateway.tenancy.rate_limiter import RateLimiter
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.tenancy.window_counts import WindowCounts
from postil.registry.accounts import usage
from postil.registry.accounts.limits import TenantLimits
from postil.registry.db.database import Database
from tests.registry.conftest import create
from tests.registry.conftest import database as database
from tests.registry.conftest import dialect as dialect
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres
from tests.registry.conftest import postgres_template as postgres_template
from tests.registry.conftest import url as url


class AwayError(Exception):
    """The database does not answer."""


class Flaky:
    """Lets a database fail as databases do: before anything was written, or after all was, when nobody hears of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.fails = ""
        event.listen(database.engine, "begin", self._begin)

    def _begin(self, _: Any) -> None:
        if self.fails == "before":
            raise AwayError

    def __call__(self) -> Database:
        if self.fails != "after":
            return self.database
        return _Deaf(self.database)  # type: ignore[return-value]


class _Deaf:
    """Commits, and then the connection breaks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self) -> Any:
        return _Broken(self._database.write())

    def read(self) -> Any:
        return _Broken(self._database.read())


class _Broken:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, *problem: object) -> None:
        self._inner.__exit__(*problem)
        raise AwayError


def totals(database: Database) -> Counter[tuple[str, str]]:
    """What is stored, by tenant and figure."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in usage.report(database, "tenant").items:
        found.update({(entry["tenant"], name): entry[name] for name in ("requests", "prompt_tokens")})
    return found


STEP = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 1), st.sampled_from(["clinic", "bank"]), st.integers(0, 99)),
    st.tuples(st.just("flush"), st.integers(0, 1), st.sampled_from(["", "before", "after"])),
)


@given(st.lists(STEP, max_size=20))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_add_up_whatever_the_order_of_flushes_and_failures(database: Database, steps: list[Any]) -> None:
    before, flaky = totals(database), Flaky(database)
    ledgers = [UsageLedger(flaky, WindowCounts()) for _ in range(2)]

    async def act() -> None:
        for what, which, *more in steps:
            if what == "use":
                ledgers[which].add(more[0], "d", "a", 1, usage.ANSWER, more[1], 0)
                before.update({(more[0], "requests"): 1, (more[0], "prompt_tokens"): more[1]})
            else:
                flaky.fails = more[0]
                assert await ledgers[which].flush() or more[0]
        flaky.fails = ""
        for ledger in ledgers:
            await ledger.stop()

    asyncio.run(act())
    event.remove(database.engine, "begin", flaky._begin)
    assert +totals(database) == +before


async def test_while_the_database_is_away_what_waits_is_added_up(database: Database) -> None:
    flaky = Flaky(database)
    ledger = UsageLedger(flaky, WindowCounts())
    flaky.fails = "before"
    for number in range(3000):
        ledger.add("clinic", "d", "a", 1 + number % 2, usage.ANSWER, 1, 1)
        if number % 1000 == 0:
            assert not await ledger.flush()
    assert len(ledger._lines) == 2
    flaky.fails = ""
    await ledger.stop()
    assert totals(database)["clinic", "requests"] == 3000


async def test_a_ledger_that_runs_writes_within_seconds(database: Database) -> None:
    ledger = UsageLedger(lambda: database, WindowCounts())
    running = asyncio.create_task(ledger.run())
    ledger.add("clinic", "d", "a", 1, usage.ANSWER, 5, 0)
    began = time.perf_counter()
    while totals(database) != {("clinic", "requests"): 1, ("clinic", "prompt_tokens"): 5}:
        assert time.perf_counter() - began < 10
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def firm(**limits: int) -> Quota:
    """A quota."""
    made = quota("firm", TenantLimits(**limits))
    assert made is not None
    return made


def let_in(limiter: RateLimiter, made: Quota, times: int) -> int:
    """How many of so many requests get in."""
    count = 0
    for _ in range(times):
        try:
            limiter.admit(made)
        except Exception:
            continue
        limiter.left(made)
        count += 1
    return count


async def test_what_one_gateway_let_through_counts_on_the_other_and_after_a_restart(database: Database) -> None:
    made = firm(requests_per_minute=10, tokens_per_day=100)
    now = 20_000 * 86_400.0 + 5
    counts = [WindowCounts(lambda: now) for _ in range(3)]
    ledgers = [UsageLedger(lambda: database, each) for each in counts]
    limiters = [RateLimiter(each) for each in counts]
    assert let_in(limiters[0], made, 4) == 4
    limiters[0].spend(made, 60)
    for ledger in ledgers[:2]:
        await ledger.flush()
    assert let_in(limiters[1], made, 10) == 6
    limiters[1].spend(made, 40)
    for ledger in (ledgers[1], ledgers[0], ledgers[2]):
        await ledger.flush()
    assert [let_in(limiter, made, 5) for limiter in limiters] == [0, 0, 0]
    assert set(usage.spent(database, now).values()) == {10, 100}


@given(
    st.integers(1, 20), st.integers(2, 3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12), st.booleans()), max_size=12),
)  # fmt: skip
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_several_gateways_let_no_more_in_than_each_did_not_know_of(
    database: Database, limit: int, gateways: int, steps: list[tuple[int, int, bool]]
) -> None:
    """The bound: the limit, and beyond it what the others let in since they last heard of each other."""
    made = quota(f"t{time.perf_counter_ns()}", TenantLimits(requests_per_minute=limit))
    assert made is not None
    now = 20_000 * 86_400.0
    counts = [WindowCounts(lambda: now) for _ in range(gateways)]
    ledgers = [UsageLedger(lambda: database, each) for each in counts]
    limiters = [RateLimiter(each) for each in counts]
    total, unheard, beyond = 0, [0] * gateways, 0

    async def act() -> None:
        nonlocal total, beyond
        for which, times, context in steps:
            count = let_in(limiters[which % gateways], made, times)
            total += count
            unheard[which % gateways] += count
            beyond = max(beyond, sum(unheard) - min(unheard))
            if context:
                for _ in range(2):
                    for ledger in ledgers:
                        await ledger.flush()
                unheard[:] = [0] * gateways
        assert total <= limit + beyond
        assert total <= limit * gateways

    asyncio.run(act())


@pytest.fixture
def shared(postgres: str, postgres_template: str) -> str:
    """A PostgreSQL database of its own, with the tables."""
    return create(postgres, postgres_template)


def test_a_gateway_that_is_killed_has_lost_no_more_than_what_came_since_its_last_flush(
    shared: str, tmp_path: Path
) -> None:
    """The process counts one request every few milliseconds and says so; it is killed with SIGKILL in the middle."""
    script = textwrap.dedent("""
        import asyncio, sys
        from postil.gateway.tenancy.window_counts import WindowCounts
        from postil.gateway.tenancy.usage_ledger import UsageLedger
        from postil.registry.db.database import Database

        async def main():
            database = Database(sys.argv[1])
            ledger = UsageLedger(lambda: database, WindowCounts())
            running = asyncio.create_task(ledger.run())
            for number in range(1, 10**6):
                ledger.add("clinic", "d", "a", 1, "answer", 1, 0)
                print(number, asyncio.get_running_loop().time(), flush=True)
                await asyncio.sleep(0.005)

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script, shared], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [(int(number), float(at)) for number, at in (process.stdout.readline().split() for _ in range(600))]
        process.kill()
    database = Database(shared)
    stored = totals(database)["clinic", "requests"]
    database.close()
    at = dict(said)
    # A second between flushes, and what a busy machine adds to one.
    assert said[-1][1] - at[stored] < 4
    assert stored <= said[-1][0] + 20
