"""What a worker has of a gateway: all that a request passes, and for what is shared, the way to the primary."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
from collections.abc import Mapping
from functools import partial

from postil.gateway.control.reviews import Keeper
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.supervisor import Phase
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.guardrails.evaluate import Isolation
from postil.gateway.inference.label_prefill import Openings
from postil.gateway.inference.metering import Meter
from postil.gateway.inference.pipeline import answered
from postil.gateway.inference.record import Trace
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.shadow import Shadows
from postil.gateway.inference.shadow_context import Unseen
from postil.gateway.plugin_host.host import Apart
from postil.gateway.server.workers.client import Link
from postil.gateway.server.workers.messages import Came, Ended, Known, Sick, Update
from postil.gateway.server.workers.remote import RemoteLimits, RemotePulse, RemoteReviews, RemoteSeats, agreed
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

    def __init__(self, start: Start, link: Link) -> None:
        self.settings = start.settings
        self._plugins = PluginManager(folder=self.settings.plugins_dir)
        self._link = link
        self._apart = Apart(self._plugins, self.settings.home / "logs")
        self.isolation: Isolation = self._apart
        self.extensions = Extensions(self.settings, self._plugins, self.isolation)
        self.catalog = Catalog()
        self.directory: Directory
        self.in_flight = 0
        self.leaving = False
        self.openings = Openings()
        self.reviews: Keeper = RemoteReviews(link)
        self.client = EngineClient(start.engine, timeout_seconds=self.settings.engine_timeout_seconds)
        self.client.pulse = RemotePulse(link)
        self.client.on_sick = lambda: link.say(Sick())
        self.seats = RemoteSeats(link, self._engine)
        self._limits = RemoteLimits(link)
        self.meter = Meter(self._limits, self._limits)
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

    def came(self, trace: Trace) -> None:
        """A request is on its way to a release."""
        if trace.why in _WATCHED:
            ref = trace.ref
            trace.arrival = self._link.number()
            self._link.say(Came(trace.arrival, trace.why, ref.domain, ref.adapter, ref.number))

    def ended(self, trace: Trace) -> None:
        """A request to a release has been answered, or has failed."""
        if trace.arrival is not None and trace.end_of_it is not None:
            self._link.say(
                Ended(
                    trace.arrival,
                    trace.failed_validation,
                    trace.engine_error,
                    trace.fell_back,
                    trace.seconds,
                    trace.end_of_it.value,
                )
            )
        self.shadows.ended(trace)

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
            self.leaving = True
        self._link.say(Known(update.number))

    def start(self) -> None:
        """Begin what runs beside the requests."""
        self._beside = [asyncio.create_task(self.shadows.run())]

    async def stop(self) -> None:
        """End it."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.shadows.stop()
        await self.openings.stop()
        await self._apart.stop()
        await self.client.close()

    async def _take_over(self, taken: list[EntrySnapshot], defaults: Mapping[str, str]) -> None:
        """Have plugins set up in a thread, and then serve all of it at once."""
        before = self.catalog.entries
        entries = await asyncio.to_thread(
            lambda: [restored(each, self._plugins, before.get(str(each.name))) for each in taken]
        )
        self.catalog = Catalog({**before, **{str(entry.name): entry for entry in entries}}, defaults)
        for entry in entries:
            self._apart.make_ready(entry.releases[number] for number in entry.wanted())

    async def _engine_is(self, phase: Phase) -> None:
        self._phase = phase
        if phase is Phase.DOWN:
            self.openings.forget()
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
