"""The state of adapters; any number is read by the same few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from sqlmodel import Session

from postil.registry.db import queries as store
from postil.registry.db.canary_tables import CanarySteps
from postil.registry.db.tables import Channel, Event, Pin, Release
from postil.registry.names import AdapterName
from postil.registry.releases.channels import STABLE
from postil.registry.releases.history import (
    COLLECT,
    IN_SERVICE,
    MOVES,
    RESTORE,
    RETIRE,
    UNRETIRE,
    Retired,
    collected_by,
    live_history,
    retired_by,
    rollback_number,
)
from postil.registry.releases.step_plan import StepPlan, plan_in_force

# So many of an adapter's events are shown with it; the log has the others.
NEWEST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class AdapterState:
    """What is known of one adapter: its releases, where its channels point, who is pinned, and what was done.

    ``pins`` are release numbers by tenant, ``previous`` is what a rollback would go back to, ``collected`` the numbers
    of the releases that have no files any more, ``retired`` what is out of service. ``events`` are there only where
    they were asked for. ``promoted`` is False where the live release came back by a rollback.
    """

    name: AdapterName
    releases: Sequence[Release]
    channels: Mapping[str, Channel]
    pins: Mapping[str, int]
    default: bool
    previous: int | None = None
    collected: Set[int] = frozenset()
    events: Sequence[Event] = ()
    promoted: bool = False
    retired: Retired = IN_SERVICE
    # The steps that its canary goes through, if it does.
    steps: StepPlan | None = None

    @property
    def yanked(self) -> frozenset[int]:
        """The numbers of the yanked releases."""
        return frozenset(row.number for row in self.releases if row.yanked_at is not None)

    @property
    def live(self) -> int | None:
        """The number of the live release, or None."""
        return self.pointed(STABLE)

    def pointed(self, channel: str) -> int | None:
        """The number of the release that a channel points to, or None."""
        found = self.channels.get(channel)
        return found.number or None if found else None


@dataclass(frozen=True, slots=True)
class AdapterRows:
    """The rows of one adapter: its releases in their order, and of its events those that moved or collected one."""

    name: AdapterName
    releases: Sequence[Release]
    channels: Sequence[Channel]
    pins: Sequence[Pin]
    moves: Sequence[store.Move]
    steps: CanarySteps | None = None


def adapter_rows(session: Session, names: Collection[AdapterName] | None = None) -> list[AdapterRows]:
    """The rows of these adapters, or of all, in the order of their names; one statement a table."""
    releases = _by_adapter(store.of_adapters(session, Release, names))
    with_steps = store.channels_with_steps(session, names)
    channels = _by_adapter(row for row, _ in with_steps)
    steps = {AdapterName(row.domain, row.adapter): row for _, row in with_steps if row is not None}
    pins = _by_adapter(store.of_adapters(session, Pin, names))
    moves: dict[str, list[store.Move]] = defaultdict(list)
    for move in store.moves(session, (*MOVES, COLLECT, RESTORE, RETIRE, UNRETIRE), names):
        moves[move.subject].append(move)
    return [
        AdapterRows(
            name,
            sorted(releases[name], key=lambda row: row.number),
            channels[name],
            sorted(pins[name], key=lambda row: row.tenant),
            moves[str(name)],
            steps.get(name),
        )
        for name in sorted(releases)
    ]


def adapter_states(session: Session, names: Collection[AdapterName] | None = None) -> list[AdapterState]:
    """These adapters, or all, in the order of their names, without their events."""
    defaults = store.default_adapters(session)
    return [_state(rows, defaults) for rows in adapter_rows(session, names)]


def _by_adapter(rows: Iterable[store.AdapterRow]) -> dict[AdapterName, list[store.AdapterRow]]:
    found: dict[AdapterName, list[store.AdapterRow]] = defaultdict(list)
    for row in rows:
        found[AdapterName(row.domain, row.adapter)].append(row)
    return found


def _state(rows: AdapterRows, defaults: Mapping[str, str]) -> AdapterState:
    moves = [move for move in rows.moves if move.action in MOVES]
    out_of_service = retired_by(rows.moves)
    yanked = {row.number for row in rows.releases if row.yanked_at is not None}
    channels = {found.name: found for found in rows.channels}
    return AdapterState(
        rows.name,
        rows.releases,
        channels,
        {pin.tenant: pin.number for pin in rows.pins},
        defaults.get(rows.name.domain) == rows.name.adapter,
        rollback_number(live_history(moves), out_of_service.releases | yanked),
        collected_by(rows.moves),
        promoted=bool(moves) and moves[-1].action == "promote",
        retired=out_of_service,
        steps=plan_in_force(rows.steps, channels),
    )
