"""Builds a gateway from its settings: creates every part and passes it the parts that it needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.gauges import Gauges
from postil.gateway.control.jobs.trainer import TrainerCommand
from postil.gateway.control.metrics import MetricsText, ReviewCounts, Rollouts
from postil.gateway.control.reading_log import ReadingLog
from postil.gateway.control.runtime import Runtime
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.control.workers import Workers
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.process import launch_args as command
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.scheduler.scheduler import Scheduler, make_scheduler
from postil.gateway.inference.routing.catalog_holder import CatalogChange, CatalogHolder
from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.server import demo
from postil.gateway.server.file_modes import secure
from postil.gateway.server.observed import open_traces
from postil.gateway.server.parts import (
    Analysis,
    Base,
    Control,
    Serving,
    Tenancy,
    make_analysis,
    make_base,
    make_control,
    make_serving,
    make_tenancy,
)
from postil.gateway.server.workers.pool import FRONT, WorkerPool
from postil.gateway.server.workers.session import SessionParts
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.base_model.model import BaseModel
from postil.registry.db.database import Database
from postil.registry.releases.service import Registry


def build(
    settings: Settings,
    plugins: PluginManager,
    *,
    address: tuple[str, int] | None = None,
    client: EngineClient | None = None,
    scheduler: Scheduler | None = None,
    catalog: CatalogHolder | None = None,
    trainer: TrainerCommand | None = None,
) -> Runtime:
    """Build a gateway; ``Lifecycle`` starts it. ``address`` is where its workers listen, if it has workers.

    Parts that are passed in replace the default ones. Raises SettingsError.
    """
    tracer = open_traces()
    secure(settings)
    base = make_base(settings, plugins, client, catalog)
    tenancy = make_tenancy(base)
    analysis = make_analysis(base)
    serving = make_serving(base, tenancy, analysis, scheduler or make_scheduler(settings), tracer)
    control = make_control(base, tenancy, analysis, serving, trainer or TrainerCommand())
    workers = Workers() if address is None else _workers(base, tenancy, analysis, serving, address)
    _subscribe(base, analysis.monitor, serving.plugin_host)
    return _runtime(base, tenancy, analysis, serving, control, workers)


def _runtime(
    base: Base, tenancy: Tenancy, analysis: Analysis, serving: Serving, control: Control, workers: Workers
) -> Runtime:
    """All parts in one record."""
    tasks, traffic, counts = BackgroundTasks(), Traffic(), ReviewCounts(base.registry.database)
    engine, monitor, scheduler = base.engine, analysis.monitor, serving.scheduler
    gauges = Gauges(
        engine, base.registry, base.catalog, scheduler, monitor, traffic, workers, tasks, counts.current
    )  # fmt: skip
    return Runtime(
        settings=base.settings,
        plugins=base.plugins,
        plugin_host=serving.plugin_host,
        extensions=serving.extensions,
        tasks=tasks,
        traffic=traffic,
        catalog=base.catalog,
        callers=tenancy.callers,
        context=serving.context,
        scheduler=scheduler,
        limits=tenancy.limits,
        ledger=tenancy.ledger,
        evidence=analysis.evidence,
        shadows=serving.shadows,
        registry=base.registry,
        engine=engine,
        sync=base.sync,
        pools=base.pools,
        locks=base.locks,
        releases=control.releases,
        publishing=control.publishing,
        reviews=serving.reviews,
        webhooks=serving.webhooks,
        readings=ReadingLog(base.registry),
        upkeep=control.upkeep,
        tuning=control.tuning,
        jobs=control.jobs,
        monitor=monitor,
        rollback_causes=analysis.causes,
        auto_rollback=control.auto_rollback,
        remote_changes=control.remote,
        adapter_feed=control.adapter_feed,
        key_feed=control.key_feed,
        denied_attempts=tenancy.denied,
        signature_gate=control.signatures,
        sums=base.sums,
        review_counts=counts,
        metrics=MetricsText(base.sums, gauges, engine.client),
        workers=workers,
        engine_address=base.engine_address,
        keys=base.keys,
        run_folder=base.folder,
        lock_file=base.lock_file,
    )


def _workers(
    base: Base, tenancy: Tenancy, analysis: Analysis, serving: Serving, address: tuple[str, int]
) -> WorkerPool:
    """Return the workers that listen at ``address`` and receive every change from the start."""
    session = SessionParts(
        base.engine,
        serving.context.leases,
        tenancy.callers,
        tenancy.limits,
        tenancy.ledger,
        analysis.monitor,
        serving.reviews,
        serving.shadows,
        tenancy.denied,
        base.sums,
    )
    pool = WorkerPool(
        base.settings,
        session,
        base.catalog,
        base.engine_address,
        address,
        base.folder / FRONT,
        base.plugins.found,
        base.keys,
    )
    base.catalog.subscribe(pool.tell_adapters)
    tenancy.callers.on_change = pool.tell_callers
    base.engine.on_change = pool.tell_engine
    return pool


def _subscribe(base: Base, monitor: Monitor, plugin_host: PluginHost) -> None:
    """Subscribe the engine, the analysis and the plugin processes to changes of served adapters."""
    catalog, engine, spare = base.catalog, base.engine, base.settings.max_loras

    def hear(change: CatalogChange) -> None:
        if change.moved:
            engine.pin(catalog.current.default_releases(), spare)
        for entry, before in change.entries:
            monitor.follow(entry, before)
            plugin_host.make_ready(entry.releases[number] for number in entry.desired())
        engine.reconcile()

    catalog.subscribe(hear)
    catalog.subscribe(Rollouts(base.sums).changed)


def open_database(settings: Settings) -> Database:
    """Open the database, migrated to this version. Raises UnavailableError."""
    database = Database(settings.database)
    try:
        database.migrate()
    except BaseException:
        database.close()
        raise
    return database


def open_registry(settings: Settings, plugins: PluginManager, database: Database, base: BaseModel) -> Registry:
    """Open the registry; add the demo if the settings ask for it."""
    artifacts = LocalStore.open(settings.artifact_folder, shared=settings.shared_with_group)
    artifacts.clear_incoming()
    registry = Registry(
        database, artifacts, base, plugins, settings.max_lora_rank, settings.window, settings.domain_quotas,
        settings.held_out_limit,
    )  # fmt: skip
    if settings.demo:
        demo.seed(registry)
    return registry


def launcher(settings: Settings, base: BaseModel, socket: Path, key: str) -> Callable[[], EngineProcess]:
    """Return a function that starts vLLM with ``base`` on ``socket``, for who has ``key``; each call starts another."""
    cpu = command.on_cpu()
    line = command.command(settings, base.path.resolve(), socket, cpu=cpu)
    guarded = command.guarded(line, command.environment(os.environ, settings, cpu=cpu), key)
    return lambda: EngineProcess(*guarded, socket, settings.home / "logs" / "engine.log")
