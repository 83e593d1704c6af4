"""What is known of one adapter, read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from sqlmodel import Session

from postil.registry.db import queries as store
from postil.registry.db.tables import Channel, Domain, Event, Release
from postil.registry.names import AdapterName
from postil.registry.releases.channels import STABLE
from postil.registry.releases.history import (
    IN_SERVICE,
    MOVES,
    Retired,
    collected,
    live_history,
    retired,
    rollback_number,
)


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

    @property
    def live(self) -> int | None:
        """The number of the release that answers, or None."""
        return self.pointed(STABLE)

    def pointed(self, channel: str) -> int | None:
        """The number of the release that a channel points to, or None."""
        found = self.channels.get(channel)
        return found.number or None if found else None


def read_state(session: Session, name: AdapterName, releases: Sequence[Release]) -> AdapterState:
    """The state of an adapter with these releases, without its events."""
    domain = session.get(Domain, name.domain)
    moves = store.events(session, str(name), MOVES)
    out_of_service = retired(session, name)
    return AdapterState(
        name,
        releases,
        {found.name: found for found in store.channels(session, name)},
        {pin.tenant: pin.number for pin in store.pins(session, name)},
        domain is not None and domain.default_adapter == name.adapter,
        rollback_number(live_history(moves), out_of_service.releases),
        collected(session, name),
        promoted=bool(moves) and moves[-1].action == "promote",
        retired=out_of_service,
    )
