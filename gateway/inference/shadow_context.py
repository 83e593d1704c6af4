"""The gateway as a shadow's copies see it: nobody sees their answers, so nobody counts or reviews them."""

from __future__ import annotations

from postil.gateway.engine.lease import LeaseProvider
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import UsageMeter
from postil.gateway.inference.pipeline import Running
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.extensions import Extensions
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest


class DiscardReviews:
    """Where reviews go that nobody will be asked for."""

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Keep nothing."""
        return ""

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Keep nothing."""


class Unseen:
    """Lets requests through to a running gateway, and none of their traces."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.plugin_host = running.plugin_host
        self.reviews = DiscardReviews()
        self._meter = running.meter.for_shadows()

    @property
    def catalog(self) -> Catalog:
        """What can be asked for."""
        return self._running.catalog

    @property
    def leases(self) -> LeaseProvider:
        """Seats at the engine."""
        return self._running.leases

    @property
    def extensions(self) -> Extensions:
        """The plugins that the settings name."""
        return self._running.extensions

    @property
    def label_prefixes(self) -> LabelPrefixes:
        """How label answers begin."""
        return self._running.label_prefixes

    @property
    def meter(self) -> UsageMeter:
        """Counts what the engine is asked, apart from what tenants asked."""
        return self._meter

    def started_request(self, record: RequestRecord) -> None:
        """Nobody is told."""

    def finished_request(self, record: RequestRecord) -> None:
        """Nobody is told."""
