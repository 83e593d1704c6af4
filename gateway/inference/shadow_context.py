"""The gateway as a shadow's copies see it: nobody sees their answers, so nobody counts or reviews them."""

from __future__ import annotations

from postil.gateway.engine.lease import Seats
from postil.gateway.inference.label_prefill import Openings
from postil.gateway.inference.metering import Meter
from postil.gateway.inference.pipeline import Running
from postil.gateway.inference.record import Trace
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.extensions import Extensions
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import Opening


class Unkept:
    """Where reviews go that nobody will be asked for."""

    async def open(self, opening: Opening, rules: ReviewRules) -> str:
        """Keep nothing."""
        return ""

    def sample(self, opening: Opening, rules: ReviewRules) -> None:
        """Keep nothing."""


class Unseen:
    """Lets requests through to a running gateway, and none of their traces."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.isolation = running.isolation
        self.reviews = Unkept()
        self._meter = running.meter.for_shadows()

    @property
    def catalog(self) -> Catalog:
        """What can be asked for."""
        return self._running.catalog

    @property
    def seats(self) -> Seats:
        """Seats at the engine."""
        return self._running.seats

    @property
    def extensions(self) -> Extensions:
        """The plugins that the settings name."""
        return self._running.extensions

    @property
    def openings(self) -> Openings:
        """How label answers begin."""
        return self._running.openings

    @property
    def meter(self) -> Meter:
        """Counts what the engine is asked, apart from what tenants asked."""
        return self._meter

    def came(self, trace: Trace) -> None:
        """Nobody is told."""

    def ended(self, trace: Trace) -> None:
        """Nobody is told."""
