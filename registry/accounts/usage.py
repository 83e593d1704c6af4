"""Usage: counts that are added in batches, each exactly once even after retries, and read by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, delete, func, not_, true
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from postil.registry.db.batches import add_counts, is_new
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Spent, Usage, Writer

ANSWER, RETRY, SHADOW = "answer", "retry", "shadow"
GROUPS = ("tenant", "adapter", "release", "day")
_COUNTS = ("requests", "uncounted", "prompt_tokens", "completion_tokens")
# Number of batches between two cleanups of expired windows and writers.
_TIDY_EVERY = 100


class Account(NamedTuple):
    """The key of a usage row. The base has an empty domain and adapter and the number 0."""

    day: date
    tenant: str
    domain: str
    adapter: str
    number: int
    kind: str


class UsageRow(NamedTuple):
    """The counts of a usage row."""

    requests: int = 0
    uncounted: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Window(NamedTuple):
    """A time window in which a tenant's ``requests`` or ``tokens`` are counted; ``window`` is its index since 1970."""

    tenant: str
    what: str
    seconds: int
    window: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The counts of one writer since its last batch. Equal numbers of a writer mean the same batch."""

    writer: str
    number: int
    used: Mapping[Account, UsageRow] = field(default_factory=dict)
    spent: Mapping[Window, int] = field(default_factory=dict)


def add(database: Database, batch: Batch, now: float) -> None:
    """Add a batch unless it was added before: after a lost connection a writer sends its batch again."""
    with database.write() as session:
        if not is_new(session, batch.writer, batch.number):
            return
        for account, used in sorted(batch.used.items()):  # The same order everywhere prevents deadlocks.
            add_counts(session, Usage, account._asdict(), used._asdict())
        for window, amount in sorted(batch.spent.items()):
            add_counts(session, Spent, window._asdict(), {"amount": amount})
        if batch.number % _TIDY_EVERY == 1:
            _tidy(session, now)


def spent(database: Database, now: float) -> dict[Window, int]:
    """Return what all gateways counted in the windows that still matter."""
    with database.read() as session:
        rows = session.exec(select(Spent).where((col(Spent.window) + 2) * col(Spent.seconds) > int(now))).all()
    return {Window(row.tenant, row.what, row.seconds, row.window): row.amount for row in rows}


def report(
    database: Database,
    by: str,
    *,
    tenant: str | None = None,
    adapter: tuple[str, str] | None = None,
    since: date | None = None,
    until: date | None = None,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[dict[str, Any]]:
    """Report usage, one entry per tenant, adapter, release or day; ``until`` is the last day that is included.

    Raises PagingError.
    """
    order = Order(f"usage-{by}", [(col(getattr(Usage, name)), kind) for name, kind in _KEYS[by].items()])
    keys = [column for column, _ in order.keys]
    within = _within(tenant, adapter, since, until)
    with database.read() as session:
        found = page(session, columns(*keys).where(within).distinct(), order, after, limit, tuple)
        entries = {tuple(key): {by: _name(by, key), **dict.fromkeys(_COUNTS, 0)} for key in found.items}
        sums = _sums(keys, within).where(order.after(after))
        if found.next is not None:
            sums = sums.where(not_(order.after(found.next)))
        for row in session.connection().execute(sums):
            _fill(entries[tuple(row[: len(keys)])], *row[len(keys) :])
    return Page(list(entries.values()), found.next)


_KEYS: Mapping[str, Mapping[str, type]] = {
    "tenant": {"tenant": str},
    "adapter": {"domain": str, "adapter": str},
    "release": {"domain": str, "adapter": str, "number": int},
    "day": {"day": date},
}


def _sums(keys: Sequence[Any], within: ColumnElement[bool]) -> Select[Any]:
    """Select the counts of every kind for every key."""
    kind = col(Usage.kind)
    sums = [func.sum(col(getattr(Usage, name))) for name in _COUNTS]
    return columns(*keys, kind, *sums).where(within).group_by(*keys, kind).order_by(*keys, kind)


def _within(
    tenant: str | None, adapter: tuple[str, str] | None, since: date | None, until: date | None
) -> ColumnElement[bool]:
    wanted: ColumnElement[bool] = true()
    if tenant is not None:
        wanted &= col(Usage.tenant) == tenant
    if adapter is not None:
        wanted &= (col(Usage.domain) == adapter[0]) & (col(Usage.adapter) == adapter[1])
    if since is not None:
        wanted &= col(Usage.day) >= since
    if until is not None:
        wanted &= col(Usage.day) <= until
    return wanted


def _fill(entry: dict[str, Any], kind: str, *counts: Any) -> None:
    """Put the counts of answers at the top level, and those of other kinds under the kind's name."""
    numbers = dict(zip(_COUNTS, map(int, counts), strict=True))
    entry.update(numbers if kind == ANSWER else {kind: numbers})


def _name(by: str, key: Sequence[Any]) -> str:
    if by in ("tenant", "day"):
        return str(key[0])
    if not key[0]:
        return "base"
    return f"{key[0]}/{key[1]}" + (f"@{key[2]}" if by == "release" else "")


def _tidy(session: Session, now: float) -> None:
    """Delete expired windows, and writers that have been silent for a month."""
    session.execute(delete(Spent).where((col(Spent.window) + 2) * col(Spent.seconds) <= int(now)))
    long_ago = datetime.fromtimestamp(now - 30 * 86400, UTC)
    session.execute(delete(Writer).where(col(Writer.at) < long_ago))
