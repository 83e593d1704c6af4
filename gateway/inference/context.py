"""The parts that completions are answered with, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from postil.gateway.engine.lease import LeaseProvider
from postil.gateway.inference.grammars import GrammarGate
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import UsageMeter
from postil.gateway.inference.policy_trial import PolicyTrials
from postil.gateway.inference.ports import ReviewSink
from postil.gateway.inference.record import RequestObserver
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.plugin_host.ports import Isolation
from postil.gateway.telemetry.trace import Tracer
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest


@dataclass(frozen=True, slots=True)
class InferenceContext:
    """The data plane's parts; a worker process has its own, whose limits, leases and reviews are the primary's."""

    catalog: CatalogHolder
    extensions: Extensions
    plugin_host: Isolation
    label_prefixes: LabelPrefixes
    meter: UsageMeter
    leases: LeaseProvider
    reviews: ReviewSink
    trials: PolicyTrials
    grammars: GrammarGate
    observers: tuple[RequestObserver, ...] = ()
    # What makes traces; none is made without it.
    tracer: Tracer | None = None

    def for_shadows(self) -> InferenceContext:
        """The context for shadow copies: their answers are not charged, reviewed or analysed."""
        return replace(self, reviews=DiscardReviews(), meter=self.meter.for_shadows(), observers=())


class DiscardReviews:
    """Discards reviews: nobody decides on answers of shadows and trials."""

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Discard it."""
        return ""

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Discard it."""
