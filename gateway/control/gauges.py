"""The state of a gateway as metrics, read in memory in the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from math import log

from postil.gateway.control.analysis.comparison import LARGEST
from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.control.workers import Workers
from postil.gateway.engine.scheduler.scheduler import Scheduler
from postil.gateway.engine.supervisor import Phase
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.telemetry import metric_table as metrics
from postil.gateway.telemetry.sums import Series
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.reviews.waiting import OpenReviews

_LIVE = "live"
Gauge = tuple[Series, float]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The parts of a gateway whose state is shown. ``reviews`` is what was last read of the database."""

    engine: EngineHandle
    registry: RegistryHandle
    catalog: CatalogHolder
    scheduler: Scheduler
    monitor: Monitor
    traffic: Traffic
    workers: Workers
    tasks: BackgroundTasks
    reviews: Callable[[], Mapping[str, OpenReviews]]

    def read(self) -> dict[Series, list[float]]:
        """The state of this moment, by series."""
        found = (*self._process(), *self._engine(), *self._adapters(), *self._reviews())
        return {series: [value] for series, value in found}

    def served(self) -> set[tuple[str, str]]:
        """The releases that are live, a canary or a shadow, each as its adapter and number."""
        return {
            (str(entry.name), str(number))
            for entry in self.catalog.current.entries.values()
            for number in _channels(entry).values()
        }

    def _process(self) -> Iterator[Gauge]:
        base = self.registry.get().base if self.registry.started else None
        named = (base.id, base.revision) if base else ("", "")
        yield (metrics.BUILD, version("postil"), *named), 1
        yield (metrics.IN_FLIGHT,), self.traffic.in_flight + self.workers.in_flight
        yield (metrics.QUEUED,), self.scheduler.queue.waiting
        yield (metrics.WORKERS,), self.workers.serving
        yield (metrics.FAILING,), len(self.tasks.failing)

    def _engine(self) -> Iterator[Gauge]:
        cache = self.engine.adapter_cache
        yield (metrics.ENGINE_UP,), self.engine.phase is Phase.READY
        yield (metrics.ENGINE_RESTARTS,), self.engine.restarts
        yield (metrics.LOADED,), 0 if cache is None else cache.count

    def _adapters(self) -> Iterator[Gauge]:
        for name, entry in self.catalog.current.entries.items():
            for channel, number in _channels(entry).items():
                yield (metrics.RELEASE_INFO, name, str(number), channel), 1
                release = entry.releases.get(number)
                loaded = release is not None and self.engine.can_serve(release)
                yield (metrics.RELEASE_LOADED, name, str(number)), loaded
            for channel, share in ((CANARY, entry.canary), (SHADOW, entry.shadow)):
                if share is not None:
                    yield (metrics.WEIGHT, name, channel), share.weight / 100
            yield from self._evidence(name)

    def _evidence(self, name: str) -> Iterator[Gauge]:
        watch = self.monitor.watch(name)
        for signal in watch.comparison.evidence() if watch is not None else ():
            yield (
                (metrics.EVALUE, name, signal.signal),
                max(log(signal.e_value), -LARGEST) if signal.e_value else -LARGEST,
            )
            yield (metrics.THRESHOLD, name, signal.signal), log(signal.threshold)

    def _reviews(self) -> Iterator[Gauge]:
        for domain, reviews in self.reviews().items():
            yield (metrics.REVIEWS_OPEN, domain), reviews.count
            yield (metrics.OLDEST_REVIEW, domain), reviews.oldest_seconds


def _channels(entry: AdapterEntry) -> dict[str, int]:
    """Which release is what, of an adapter that is in service."""
    if entry.retired.adapter:
        return {}
    found = {
        _LIVE: entry.live,
        CANARY: entry.canary.number if entry.canary else None,
        SHADOW: entry.shadow.number if entry.shadow else None,
    }
    return {channel: number for channel, number in found.items() if number is not None}
