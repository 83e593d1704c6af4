"""The components of one process, and their numbers."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from postil.gateway.plugin_host.protocol import ComponentSpec

# So many components a process keeps; those that were not used for the longest time go first.
_KEPT = 64
# So long after a component could not be set up it is not tried again.
_AGAIN_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class LoadedComponent:
    """A component in a process: being set up, ready, or unfit."""

    needed: ComponentSpec
    number: int
    # Done when it is known whether it could be set up; the result says whether.
    known: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    settled_at: float = 0.0

    @property
    def ready(self) -> bool:
        """Whether it can be called."""
        return self.known.done() and self.known.result()

    @property
    def unfit(self) -> bool:
        """Whether it could not be set up."""
        return self.known.done() and not self.known.result()

    def settle(self, ready: bool) -> None:
        """Note whether it could be set up."""
        if not self.known.done():
            self.settled_at = time.monotonic()
            self.known.set_result(ready)


class LoadedComponents:
    """The components of one process."""

    def __init__(self) -> None:
        self._places: OrderedDict[ComponentSpec, LoadedComponent] = OrderedDict()
        self._numbers = 0

    def get(self, needed: ComponentSpec) -> LoadedComponent | None:
        """The entry of a component; None if there is none, or it should be set up again."""
        place = self._places.get(needed)
        if place is None or (place.unfit and time.monotonic() >= place.settled_at + _AGAIN_SECONDS):
            return None
        self._places.move_to_end(needed)
        return place

    def add(self, needed: ComponentSpec) -> LoadedComponent:
        """Add an entry for a component that is to be set up."""
        self._numbers += 1
        place = self._places[needed] = LoadedComponent(needed, self._numbers)
        self._places.move_to_end(needed)
        return place

    def surplus(self) -> Iterator[LoadedComponent]:
        """Remove and return the entries over the limit."""
        while len(self._places) > _KEPT:
            needed = next((needed for needed, place in self._places.items() if place.known.done()), None)
            if needed is None:
                return
            yield self._places.pop(needed)

    def all(self) -> Iterable[LoadedComponent]:
        """All entries."""
        return self._places.values()

    def ready(self) -> list[ComponentSpec]:
        """The components that are ready."""
        return [needed for needed, place in self._places.items() if place.ready]
