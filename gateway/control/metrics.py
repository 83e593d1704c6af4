"""Makes the text of ``/metrics``: state and sums are copied in the event loop, and written in a thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping

from postil.gateway.control.gauges import Gauges
from postil.gateway.engine.client import EngineClient
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogChange
from postil.gateway.telemetry import metric_table as metrics
from postil.gateway.telemetry.exposition import engines_own, written
from postil.gateway.telemetry.request_metrics import OUTCOMES
from postil.gateway.telemetry.sums import Series, Sums
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow
from postil.registry.releases.channels import CANARY, SHADOW, STABLE
from postil.registry.reviews.waiting import OpenReviews, open_reviews

log = logging.getLogger(__name__)
PROMOTE, ROLLBACK = "promote", "rollback"
_KEPT_SECONDS = 5.0
_READ_SECONDS = 15.0
# A release that answers nobody any more keeps its series so long, so that its last requests are scraped.
_GRACE_SECONDS = 900.0


class ReviewCounts:
    """The open reviews of each domain, read from the database now and then; without one, what was known stays."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._known: Mapping[str, OpenReviews] = {}
        self._troubled = False

    def current(self) -> Mapping[str, OpenReviews]:
        """What was read last."""
        return self._known

    async def run(self) -> None:
        """Read every 15 s, until cancelled."""
        while True:
            await self.read()
            await asyncio.sleep(_READ_SECONDS)

    async def read(self) -> None:
        """Read once. A domain that has none any more is shown with none."""
        try:
            found = await asyncio.to_thread(lambda: open_reviews(self._database(), utcnow()))
        except Exception as error:
            if not self._troubled:
                log.warning("open reviews cannot be counted (%s); it is tried again", type(error).__name__)
            self._troubled = True
            return
        self._troubled = False
        self._known = {domain: OpenReviews(0, 0.0) for domain in self._known} | found


class MetricsText:
    """The text of ``/metrics``, made at most every five seconds however often it is asked for."""

    def __init__(
        self,
        sums: Sums,
        gauges: Gauges,
        engine: EngineClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sums = sums
        self._gauges = gauges
        self._engine = engine
        self.clock = clock
        self.kept_seconds = _KEPT_SECONDS
        self._made: asyncio.Task[bytes] | None = None
        self._made_at = 0.0
        # Releases that answer nobody any more, and since when.
        self._gone: dict[tuple[str, str], float] = {}

    async def text(self) -> bytes:
        """Return the text. Who asks while it is made gets the same one."""
        now = self.clock()
        if self._made is None or now - self._made_at >= self.kept_seconds or _failed(self._made):
            self._made, self._made_at = asyncio.create_task(self._make(now)), now
        return await asyncio.shield(self._made)

    async def _make(self, now: float) -> bytes:
        self._retire(now)
        series: dict[Series, list[float]] = {**self._sums.copy(), **self._gauges.read()}
        engine = await self._engine.metrics()
        return await asyncio.to_thread(lambda: written(series) + engines_own(engine))

    def _retire(self, now: float) -> None:
        """Drop the series of releases that have answered nobody for a while: they would stand still for ever."""
        served = self._gauges.served()
        known = {(series[1], series[2]) for series in self._sums.series() if _names_release(series)}
        self._gone = {release: self._gone.get(release, now) for release in known - served}
        over = {release for release, since in self._gone.items() if now - since >= _GRACE_SECONDS}
        if over:
            self._sums.forget(lambda series: _names_release(series) and (series[1], series[2]) in over)


class Rollouts:
    """Counts what the catalog's changes mean for what answers.

    What may be counted of an adapter later begins with 0: Prometheus sees no increase of a series that is new.
    """

    def __init__(self, sums: Sums) -> None:
        self._sums = sums

    def changed(self, change: CatalogChange) -> None:
        """Count the changes of adapters that were served before."""
        for entry, before in change.entries:
            for series in _begun(entry):
                self._sums.count(series, 0)
            if before is not None:
                for action in _actions(entry, before):
                    self._sums.count((metrics.ROLLOUTS, str(entry.name), action))


def _begun(entry: AdapterEntry) -> Iterator[Series]:
    """The series that an alert looks at, of what is served."""
    name = str(entry.name)
    for action in (PROMOTE, ROLLBACK, CANARY, SHADOW):
        yield metrics.ROLLOUTS, name, action
    for channel, number in ((STABLE, entry.live), (CANARY, entry.canary.number if entry.canary else None)):
        for outcome in OUTCOMES if number is not None else ():
            yield metrics.REQUESTS, name, str(number), channel, outcome


def _actions(entry: AdapterEntry, before: AdapterEntry) -> list[str]:
    found = []
    if entry.live != before.live and entry.live is not None:
        found.append(PROMOTE if entry.promoted else ROLLBACK)
    for action, now, then in ((CANARY, entry.canary, before.canary), (SHADOW, entry.shadow, before.shadow)):
        if now is not None and now != then:
            found.append(action)
    return found


def _names_release(series: Series) -> bool:
    """Whether a series is one release's; those of the base and of all others together have none."""
    return metrics.METRICS[series[0]].labels[:2] == ("adapter", "release") and series[2].isdecimal()


def _failed(made: asyncio.Task[bytes]) -> bool:
    return made.done() and (made.cancelled() or made.exception() is not None)
