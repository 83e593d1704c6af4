"""Startup and shutdown of a gateway."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from functools import partial

from postil.gateway.control.auto_rollback import CorruptArtifact
from postil.gateway.control.reconciler import Reconciler, in_order
from postil.gateway.control.runtime import Runtime, Tell
from postil.gateway.engine.adapter_cache import AdapterCache
from postil.gateway.engine.process import launch_args as command
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.supervisor import Phase, Supervisor
from postil.gateway.errors import GatewayError, SettingsError
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.request import probe_base
from postil.gateway.inference.routing.make_entry import make_entry
from postil.gateway.server.bootstrap import launcher, open_database, open_registry
from postil.gateway.threads import bound_short_work
from postil.plugins.errors import PluginError
from postil.registry.base_model.model import BaseModel
from postil.registry.base_model.prepare import prepare
from postil.registry.errors import RegistryError
from postil.registry.releases.service import Registry

log = logging.getLogger(__name__)
_SAID = (GatewayError, SettingsError, PluginError, RegistryError, OSError)
_COMING_UP, _ENGINE = "coming up", "engine"


class Lifecycle:
    """Starts and stops a gateway. ``tell(step, text)`` is called with its progress."""

    def __init__(self, runtime: Runtime, tell: Tell = lambda step, text: None) -> None:
        self._runtime = runtime
        self._tell = tell

    def start(self) -> None:
        """Begin startup in the background."""
        runtime = self._runtime
        bound_short_work()
        start = runtime.tasks.start
        start("automatic rollback", runtime.auto_rollback.run)
        start("adapter feed", runtime.adapter_feed.watch)
        start("key feed", runtime.key_feed.watch)
        start("denied attempts", runtime.denied_attempts.run)
        start(_COMING_UP, self._come_up)

    async def stop(self) -> None:
        """Stop the engine and everything that was started. Safe at any point of startup."""
        runtime = self._runtime
        await runtime.tasks.stop()
        await runtime.workers.stop()
        await runtime.shadows.stop()
        await runtime.context.label_prefixes.stop()
        await runtime.plugin_host.stop()
        await runtime.reviews.stop()
        await runtime.engine.stop()
        runtime.jobs.close()
        runtime.callers.close()
        runtime.pools.close()
        if runtime.context.tracer is not None:
            await runtime.context.tracer.stop()
        if runtime.registry.started:
            await runtime.ledger.stop()
            await runtime.evidence.stop()
            runtime.registry.database().close()
        shutil.rmtree(runtime.run_folder, ignore_errors=True)
        os.close(runtime.lock_file)

    async def _come_up(self) -> None:
        """Start all parts. A failure here is permanent: settings, base model or registry need to be corrected."""
        runtime = self._runtime
        try:
            async with asyncio.TaskGroup() as coming:
                coming.create_task(runtime.workers.start())
                reconciler, supervisor = await self._open()
        except Exception as error:
            first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            # What one sentence says needs no stack; it is a fault of ours that does.
            log.error("the gateway could not come up", exc_info=None if isinstance(first, _SAID) else error)
            self._fail(str(first) or type(first).__name__)
            return
        for name, work in (
            ("reconciler", reconciler.run),
            ("shadows", runtime.shadows.run),
            ("reviews", runtime.reviews.run),
            ("upkeep", runtime.upkeep.run),
            ("usage", runtime.ledger.run),
            ("evidence", runtime.evidence.run),
            ("review counts", runtime.review_counts.run),
            (_ENGINE, supervisor.run),
        ):
            runtime.tasks.start(name, work)
        if runtime.settings.training_jobs:
            runtime.tasks.start("fine-tuning jobs", runtime.jobs.run)

    async def _open(self) -> tuple[Reconciler, Supervisor]:
        runtime, settings = self._runtime, self._runtime.settings
        # First what takes no time: where it cannot be opened, no base has to be converted or fetched.
        database = await asyncio.to_thread(open_database, settings)
        try:
            self._tell("base", "preparing the base model")
            base = await asyncio.to_thread(prepare, settings.base_model, settings.home)
            self._tell("registry", "opening the registry")
            registry = await asyncio.to_thread(open_registry, settings, runtime.plugins, database, base)
        except BaseException:
            database.close()
            raise
        cache = self._cache(registry)
        runtime.engine.open_cache(cache)
        runtime.registry.open(registry, await asyncio.to_thread(registry.newest_event))
        await self._fill_catalog(registry, base)
        await runtime.callers.refresh()
        runtime.registry.opened.set()
        launch = None
        if settings.engine_url is None and runtime.keys.engine is not None:
            launch = launcher(settings, base, runtime.run_folder / "engine.sock", runtime.keys.engine)
        reconciler = self._reconciler(cache)
        supervisor = self._supervisor(reconciler, launch)
        runtime.engine.open(reconciler, supervisor)
        return reconciler, supervisor

    def _cache(self, registry: Registry) -> AdapterCache:
        runtime = self._runtime
        return AdapterCache(
            runtime.engine.client,
            registry.artifacts,
            capacity=command.held(runtime.settings),
            busy=runtime.scheduler.is_in_flight,
            clear=runtime.signature_gate.check,
            threads=runtime.pools.loads,
        )

    async def _fill_catalog(self, registry: Registry, base: BaseModel) -> None:
        plugins = self._runtime.plugins
        states = await asyncio.to_thread(registry.adapters)
        entries = await asyncio.to_thread(lambda: [make_entry(state, plugins, base) for state in states])
        self._runtime.catalog.fill(entries, await asyncio.to_thread(registry.default_adapters))

    def _reconciler(self, cache: AdapterCache) -> Reconciler:
        runtime = self._runtime
        return Reconciler(
            runtime.engine.client,
            cache,
            lambda: in_order(runtime.catalog.current.desired(), cache.pinned),
            ready=lambda: runtime.engine.phase is Phase.READY,
            tell=partial(self._tell, "adapter"),
            warm_count=runtime.settings.max_loras,
            damaged=lambda release, why: runtime.rollback_causes.put_nowait(CorruptArtifact(release.ref, why)),
        )

    def _supervisor(self, reconciler: Reconciler, launch: Callable[[], EngineProcess] | None) -> Supervisor:
        runtime, settings = self._runtime, self._runtime.settings
        return Supervisor(
            runtime.engine.client,
            launch,
            warm=reconciler.warm,
            tell=self._engine_changed,
            start_seconds=settings.engine_start_seconds,
            stall_seconds=settings.engine_stall_seconds,
            probe=lambda: runtime.engine.client.post(Kind.CHAT.value, probe_base()),
            moved=runtime.engine.changed,
        )

    def _engine_changed(self, phase: Phase, reason: str) -> None:
        runtime = self._runtime
        if phase is Phase.DOWN and runtime.engine.adapter_cache is not None:
            runtime.engine.adapter_cache.evict()
            runtime.context.label_prefixes.clear()
            runtime.context.meter.fingerprint.written = None
        if phase is Phase.FAILED:
            runtime.registry.problem = reason
        if phase is Phase.READY:
            runtime.engine.reconcile()
        self._tell(str(phase), reason)

    def _fail(self, problem: str) -> None:
        self._runtime.registry.problem = problem
        self._runtime.engine.changed()
        self._tell("failed", problem)
