"""Which components a process has, and under which numbers."""

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
    """A component in a process: being set up, ready, or not to be had."""

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
        """It could be set up, or not."""
        if not self.known.done():
            self.settled_at = time.monotonic()
            self.known.set_result(ready)


class LoadedComponents:
    """The components of one process."""

    def __init__(self) -> None:
        self._places: OrderedDict[ComponentSpec, LoadedComponent] = OrderedDict()
        self._numbers = 0

    def get(self, needed: ComponentSpec) -> LoadedComponent | None:
        """The place of a component, unless there is none or it is to be tried again."""
        place = self._places.get(needed)
        if place is None or (place.unfit and time.monotonic() >= place.settled_at + _AGAIN_SECONDS):
            return None
        self._places.move_to_end(needed)
        return place

    def add(self, needed: ComponentSpec) -> LoadedComponent:
        """A new place, to be set up."""
        self._numbers += 1
        place = self._places[needed] = LoadedComponent(needed, self._numbers)
        self._places.move_to_end(needed)
        return place

    def surplus(self) -> Iterator[LoadedComponent]:
        """Takes out what is too much."""
        while len(self._places) > _KEPT:
            needed = next((needed for needed, place in self._places.items() if place.known.done()), None)
            if needed is None:
                return
            yield self._places.pop(needed)

    def all(self) -> Iterable[LoadedComponent]:
        """Every one of them."""
        return self._places.values()

    def ready(self) -> list[ComponentSpec]:
        """Those that could be set up."""
        return [needed for needed, place in self._places.items() if place.ready]
