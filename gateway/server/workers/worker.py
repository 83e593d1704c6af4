"""A worker: everything a request passes through, with a connection to the primary for shared state."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import time
from collections.abc import Mapping

from postil.gateway.api.openai.completions import CompletionParts
from postil.gateway.control.traffic import Traffic
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.start_clock import retry_after
from postil.gateway.engine.supervisor import Phase
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.cost_limits import CostLimits, TenantCostLimits
from postil.gateway.inference.grammars import GrammarGate
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import UsageMeter
from postil.gateway.inference.policy_trial import PolicyTrials
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.plugin_host.host import PluginHost, process_bounds
from postil.gateway.server.observed import observed, open_traces
from postil.gateway.server.workers.client import PrimaryClient
from postil.gateway.server.workers.messages import (
    Ack,
    AddMetrics,
    EngineUnhealthy,
    RequestFinished,
    RequestStarted,
    Update,
)
from postil.gateway.server.workers.remote import (
    RemoteActivity,
    RemoteDenied,
    RemoteLeases,
    RemoteLimits,
    RemoteReviews,
    agreed,
)
from postil.gateway.server.workers.snapshots import EntrySnapshot, restored
from postil.gateway.server.workers.updates import ADAPTERS, CALLERS, DRAINING, ENGINE, Start
from postil.gateway.telemetry.sums import Sums
from postil.gateway.tenancy.directory import Caller, Directory
from postil.plugins.manager import PluginManager
from postil.registry.releases.channels import CANARY, STABLE

log = logging.getLogger(__name__)
_WATCHED = (STABLE, CANARY)
# How often the primary is told what was counted.
_TELL_SECONDS = 1.0


class RemoteAnalysis:
    """Reports every request to a watched release to the primary, which compares releases."""

    def __init__(self, link: PrimaryClient) -> None:
        self._link = link

    def started(self, record: RequestRecord) -> None:
        """Report that a request to a release has started."""
        if record.reason in _WATCHED:
            ref = record.ref
            record.arrival = self._link.number()
            which = (record.reason, ref.domain, ref.adapter, ref.number, record.tenant)
            self._link.send(RequestStarted(record.arrival, *which))

    def finished(self, record: RequestRecord) -> None:
        """Report that a request to a release has ended or failed."""
        if record.arrival is None or record.outcome is None:
            return
        self._link.send(
            RequestFinished(
                record.arrival,
                record.failed_validation,
                record.engine_error,
                record.fell_back,
                record.seconds,
                record.outcome.value,
                record.client_caused,
            )
        )


class Worker:
    """One worker process's part of a gateway; its state arrives as updates, in order."""

    def __init__(self, start: Start, link: PrimaryClient) -> None:
        self.settings = start.settings
        self.traffic = Traffic()
        self.client = EngineClient(
            start.engine,
            timeout_seconds=self.settings.engine_timeout_seconds,
            api_key=start.keys.engine,
            ca_file=self.settings.ca_file,
        )
        self.client.activity = RemoteActivity(link)
        self.client.retry_seconds = self._retry_seconds
        self.client.on_unhealthy = lambda: link.send(EngineUnhealthy())
        logs = self.settings.home / "logs"
        self._plugins = PluginManager(
            folder=self.settings.plugins_dir, logs=logs, sandbox=start.sandbox, found=start.plugins
        )
        self._link = link
        self._plugin_host = PluginHost(
            self._plugins, logs, process_bounds(self.settings, start.sandbox, self.settings.workers)
        )
        self._catalog = CatalogHolder()
        self.directory: Directory
        self._label_prefixes = LabelPrefixes()
        self._limits = RemoteLimits(link)
        self._meter = UsageMeter(self._limits, self._limits)
        self._phase = Phase.STARTING
        self._ready_by: float | None = None
        self._beside: list[asyncio.Task[None]] = []
        plain = InferenceContext(
            self._catalog,
            Extensions.make(self.settings, self._plugins, self._plugin_host),
            self._plugin_host,
            self._label_prefixes,
            self._meter,
            RemoteLeases(link, self._engine),
            RemoteReviews(link),
            PolicyTrials(),
            GrammarGate(self._limits),
        )
        self._sums = Sums(most_histograms=self.settings.metrics_histograms)
        keep = agreed(link, asyncio.get_running_loop())
        self._context, self._shadows = observed(
            plain, self.client, RemoteAnalysis(link), keep, self._sums, open_traces()
        )

    def parts(self) -> CompletionParts:
        """Return the parts that the two completion endpoints need."""
        settings = self.settings
        limits = (settings.body_limit_mib << 20, TenantCostLimits(CostLimits.of(settings)), settings.prompt_logprobs)
        who = (self._context, self, RemoteDenied(self._link), self._limits, self.traffic)
        return CompletionParts(*who, *limits, settings.stream_comment_seconds)

    def identify(self, authorization: str | None) -> Caller:
        """Return the caller; see ``Directory.identify``."""
        return self.directory.identify(authorization)

    async def hear(self, update: Update) -> None:
        """Apply an update and acknowledge it."""
        content = pickle.loads(update.content)  # noqa: S301 - the primary's own
        if update.what == ADAPTERS:
            await self._take_over(*content)
        elif update.what == CALLERS:
            self.directory = content
        elif update.what == ENGINE:
            await self._engine_is(*content)
        elif update.what == DRAINING:
            self.traffic.draining = True
        self._link.send(Ack(update.number))

    def start(self) -> None:
        """Start the background tasks."""
        self._beside = [asyncio.create_task(self._shadows.run()), asyncio.create_task(self._tell_metrics())]

    async def stop(self) -> None:
        """Stop the background tasks."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        self._tell_sums()
        await self._shadows.stop()
        await self._label_prefixes.stop()
        await self._plugin_host.stop()
        await self.client.close()
        if self._context.tracer is not None:
            await self._context.tracer.stop()

    async def _take_over(self, taken: list[EntrySnapshot], defaults: Mapping[str, str]) -> None:
        """Set up plugins in a thread, then serve all updated adapters at once."""
        before = self._catalog.current.entries
        entries = await asyncio.to_thread(
            lambda: [restored(each, self._plugins, before.get(str(each.name))) for each in taken]
        )
        known = {**before, **{str(entry.name): entry for entry in entries}}
        self._catalog.fill(list(known.values()), defaults)
        for entry in entries:
            self._plugin_host.make_ready(entry.releases[number] for number in entry.desired())

    async def _engine_is(self, phase: Phase, ready_by: float | None) -> None:
        self._phase, self._ready_by = phase, ready_by
        if phase is Phase.DOWN:
            self._label_prefixes.clear()
            self._meter.fingerprint.written = None
            # If the engine has failed for good, requests that wait for it fail at once, as in the primary.
            await self.client.cut()

    async def _tell_metrics(self) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            self._tell_sums()

    def _tell_sums(self) -> None:
        if taken := self._sums.take():
            self._link.send(AddMetrics([*taken.items()]))

    def _engine(self) -> EngineClient:
        if self._phase is not Phase.READY:
            raise EngineUnavailableError(
                f"the engine is not ready ({self._phase}); try again in a moment", retry_after=self._retry_seconds()
            )
        return self.client

    def _retry_seconds(self) -> int:
        return retry_after(self._ready_by, time.monotonic())


def end() -> None:
    """Exit at once: without a primary there is nobody to report to."""
    os._exit(1)
