"""What a worker has of a gateway: all that a request passes, and for what is shared, the way to the primary."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
from collections.abc import Mapping
from functools import partial

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.supervisor import Phase
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import UsageMeter
from postil.gateway.inference.pipeline import answered
from postil.gateway.inference.ports import ReviewSink
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.shadow import Shadows
from postil.gateway.inference.shadow_context import Unseen
from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.plugin_host.ports import Isolation
from postil.gateway.server.workers.client import PrimaryClient
from postil.gateway.server.workers.messages import Ack, EngineUnhealthy, RequestFinished, RequestStarted, Update
from postil.gateway.server.workers.remote import RemoteActivity, RemoteLeases, RemoteLimits, RemoteReviews, agreed
from postil.gateway.server.workers.snapshots import EntrySnapshot, restored
from postil.gateway.server.workers.updates import ADAPTERS, CALLERS, ENGINE, LEAVING, Start
from postil.gateway.tenancy.directory import Directory
from postil.gateway.tenancy.quota import Quota
from postil.plugins.manager import PluginManager
from postil.registry.releases.channels import CANARY, STABLE

log = logging.getLogger(__name__)
_WATCHED = (STABLE, CANARY)


class Worker:
    """One process's part of a gateway; what it knows comes as updates, in their order."""

    def __init__(self, start: Start, link: PrimaryClient) -> None:
        self.settings = start.settings
        self._plugins = PluginManager(
            folder=self.settings.plugins_dir, logs=self.settings.home / "logs", found=start.plugins
        )
        self._link = link
        self._plugin_host = PluginHost(self._plugins, self.settings.home / "logs")
        self.plugin_host: Isolation = self._plugin_host
        self.extensions = Extensions(self.settings, self._plugins, self.plugin_host)
        self.catalog = Catalog()
        self.directory: Directory
        self.in_flight = 0
        self.draining = False
        self.label_prefixes = LabelPrefixes()
        self.reviews: ReviewSink = RemoteReviews(link)
        self.client = EngineClient(start.engine, timeout_seconds=self.settings.engine_timeout_seconds)
        self.client.activity = RemoteActivity(link)
        self.client.on_unhealthy = lambda: link.send(EngineUnhealthy())
        self.leases = RemoteLeases(link, self._engine)
        self._limits = RemoteLimits(link)
        self.meter = UsageMeter(self._limits, self._limits)
        self.shadows = Shadows(partial(answered, Unseen(self)), agreed(link, asyncio.get_running_loop()))
        self._phase = Phase.STARTING
        self._beside: list[asyncio.Task[None]] = []

    @property
    def body_limit(self) -> int:
        """How many bytes a request may have."""
        return self.settings.body_limit_mib << 20

    async def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Let a tenant's request in; see ``Limiter.admit``."""
        return {} if quota is None else await self._limits.admit(quota)

    def left(self, quota: Quota | None) -> None:
        """A request that was let in has ended."""
        if quota is not None:
            self._limits.left(quota)

    def started_request(self, record: RequestRecord) -> None:
        """A request is on its way to a release."""
        if record.reason in _WATCHED:
            ref = record.ref
            record.arrival = self._link.number()
            self._link.send(RequestStarted(record.arrival, record.reason, ref.domain, ref.adapter, ref.number))

    def finished_request(self, record: RequestRecord) -> None:
        """A request to a release has been answered, or has failed."""
        if record.arrival is not None and record.outcome is not None:
            self._link.send(
                RequestFinished(
                    record.arrival,
                    record.failed_validation,
                    record.engine_error,
                    record.fell_back,
                    record.seconds,
                    record.outcome.value,
                )
            )
        self.shadows.finished(record)

    async def hear(self, update: Update) -> None:
        """Take an update over, and say so."""
        content = pickle.loads(update.content)  # noqa: S301 - the primary's own
        if update.what == ADAPTERS:
            await self._take_over(*content)
        elif update.what == CALLERS:
            self.directory = content
        elif update.what == ENGINE:
            await self._engine_is(content)
        elif update.what == LEAVING:
            self.draining = True
        self._link.send(Ack(update.number))

    def start(self) -> None:
        """Begin what runs beside the requests."""
        self._beside = [asyncio.create_task(self.shadows.run())]

    async def stop(self) -> None:
        """End it."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.shadows.stop()
        await self.label_prefixes.stop()
        await self._plugin_host.stop()
        await self.client.close()

    async def _take_over(self, taken: list[EntrySnapshot], defaults: Mapping[str, str]) -> None:
        """Have plugins set up in a thread, and then serve all of it at once."""
        before = self.catalog.entries
        entries = await asyncio.to_thread(
            lambda: [restored(each, self._plugins, before.get(str(each.name))) for each in taken]
        )
        self.catalog = Catalog({**before, **{str(entry.name): entry for entry in entries}}, defaults)
        for entry in entries:
            self._plugin_host.make_ready(entry.releases[number] for number in entry.desired())

    async def _engine_is(self, phase: Phase) -> None:
        self._phase = phase
        if phase is Phase.DOWN:
            self.label_prefixes.clear()
            self.meter.fingerprint.written = None
            # Who waits for an engine that was given up is told at once, as with the primary's own.
            await self.client.cut()

    def _engine(self) -> EngineClient:
        if self._phase is not Phase.READY:
            raise EngineUnavailableError(f"the engine is not ready ({self._phase}); try again in a moment")
        return self.client


def end() -> None:
    """End at once: there is no primary any more, and nobody to be told."""
    os._exit(1)
