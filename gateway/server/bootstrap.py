"""Builds a gateway from its settings: creates every part and passes it the parts that it needs."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from postil.gateway.control.analysis.comparison import Comparison
from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.auto_rollback import AutoRollback, RollbackCause
from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.change_feed import AdapterFeed, RemoteChanges
from postil.gateway.control.disk import FreeSpace
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.evidence_ledger import EvidenceLedger
from postil.gateway.control.garbage import collect_garbage
from postil.gateway.control.inside_keys import InsideKeys
from postil.gateway.control.key_feed import KeyFeed
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.publish import PublishService
from postil.gateway.control.reading_log import ReadingLog
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.control.reviews import Reviews
from postil.gateway.control.runtime import Runtime
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.control.upkeep import ACTOR, Upkeep, chores
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.control.workers import Workers
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.lease import LocalLeases
from postil.gateway.engine.process import launch_args as command
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.scheduler.scheduler import Scheduler, make_scheduler
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.grammars import GrammarGate
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import UsageMeter
from postil.gateway.inference.pipeline import answered
from postil.gateway.inference.policy_trial import PolicyTrials
from postil.gateway.inference.routing.catalog_holder import CatalogChange, CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.shadow import Shadows
from postil.gateway.plugin_host.host import PluginHost, process_bounds
from postil.gateway.plugin_host.sandbox import sandbox_of
from postil.gateway.server import demo
from postil.gateway.server.data_dir import hold, run_folder
from postil.gateway.server.file_modes import secure
from postil.gateway.server.workers.pool import FRONT, WorkerPool
from postil.gateway.server.workers.session import SessionParts
from postil.gateway.settings import Settings
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.directory import Directory, admin_key, read_directory
from postil.gateway.tenancy.rate_limiter import LocalLimits, RateLimiter
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.tenancy.window_counts import WindowCounts
from postil.gateway.threads import ThreadPools
from postil.plugins.manager import Found, PluginManager
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.base_model.model import BaseModel
from postil.registry.db.database import Database
from postil.registry.releases import shadow_agreement as agreements
from postil.registry.releases.service import Registry
from postil.registry.signing.requirements import SignatureGate


def build(
    settings: Settings,
    plugins: PluginManager,
    *,
    address: tuple[str, int] | None = None,
    client: EngineClient | None = None,
    scheduler: Scheduler | None = None,
    catalog: CatalogHolder | None = None,
) -> Runtime:
    """Build a gateway; ``Lifecycle`` starts it. ``address`` is where its workers listen, if it has workers.

    Parts that are passed in replace the default ones. Raises SettingsError.
    """
    secure(settings)
    lock_file = hold(settings.home)
    folder = run_folder(lock_file)
    engine_address = settings.engine_url or f"unix:{folder / 'engine.sock'}"
    keys = InsideKeys.of(settings)
    registry = RegistryHandle()
    catalog = catalog or CatalogHolder()
    engine = EngineHandle(
        client
        or EngineClient(
            engine_address,
            timeout_seconds=settings.engine_timeout_seconds,
            api_key=keys.engine,
            ca_file=settings.ca_file,
        ),
        registry,
    )
    scheduler = scheduler or make_scheduler(settings)
    plugin_host = PluginHost(plugins, settings.home / "logs", process_bounds(settings, sandbox_of(settings)))
    extensions = Extensions.make(settings, plugins, plugin_host)
    callers = _callers(settings, registry)
    counts = WindowCounts()
    limits = RateLimiter(counts, grammar_seconds=settings.tenant_grammar_seconds_per_minute)
    ledger = UsageLedger(registry.database, counts, callers.limited)
    causes: asyncio.Queue[RollbackCause] = asyncio.Queue()
    compare = partial(Comparison, alpha=settings.auto_rollback_alpha)
    evidence = EvidenceLedger(registry.database)
    monitor = Monitor(causes.put_nowait, compare, keep=evidence.add)
    evidence.on_users = monitor.used_by
    webhooks = Webhooks()
    reviews = Reviews(
        registry.database,
        webhooks,
        settings.review_bounds,
        waits_per_tenant=settings.review_waits_per_tenant,
    )
    plain = InferenceContext(
        catalog,
        extensions,
        plugin_host,
        LabelPrefixes(),
        UsageMeter(ledger, limits),
        LocalLeases(engine.ready, scheduler),
        reviews,
        PolicyTrials(),
        GrammarGate(LocalLimits(limits)),
    )
    shadows = Shadows(
        partial(answered, plain.for_shadows()), lambda counts: agreements.add(registry.database(), counts)
    )
    pools = ThreadPools()
    locks, sync = AdapterLocks(), CatalogSync(registry, plugins, catalog, pools.catalog)
    releases = ReleaseService(registry, engine, catalog, sync, callers, extensions, locks, plugins)
    publishing = PublishService(
        registry,
        sync,
        locks,
        FreeSpace(settings.artifact_folder, settings.min_free_mib << 20, Path(tempfile.gettempdir())),
        pools,
        limit=settings.upload_limit_mib << 20,
        hub_seconds=settings.hub_timeout_seconds,
        at_a_time=settings.uploads_per_publisher,
    )
    remote = RemoteChanges(sync, catalog, engine, locks)
    signatures = SignatureGate(registry.database)
    denied = DeniedAttempts(registry.database, keep=settings.denied_attempts_kept)
    workers = Workers()
    if address is not None:
        session = SessionParts(engine, plain.leases, callers, limits, ledger, monitor, reviews, shadows, denied)
        workers = _workers(settings, session, catalog, engine_address, address, folder, plugins.found, keys)
    _subscribe(catalog, engine, monitor, plugin_host, spare=settings.max_loras)
    return Runtime(
        settings=settings,
        plugins=plugins,
        plugin_host=plugin_host,
        extensions=extensions,
        tasks=BackgroundTasks(),
        traffic=Traffic(),
        catalog=catalog,
        callers=callers,
        context=replace(plain, observers=(monitor, shadows)),
        scheduler=scheduler,
        limits=limits,
        ledger=ledger,
        evidence=evidence,
        shadows=shadows,
        registry=registry,
        engine=engine,
        sync=sync,
        pools=pools,
        locks=locks,
        releases=releases,
        publishing=publishing,
        reviews=reviews,
        webhooks=webhooks,
        readings=ReadingLog(registry),
        upkeep=_upkeep(settings, registry, sync, locks, pools),
        monitor=monitor,
        rollback_causes=causes,
        auto_rollback=AutoRollback(causes, releases, catalog, enabled=settings.auto_rollback),
        remote_changes=remote,
        adapter_feed=AdapterFeed(registry, settings.database, remote, reviews, extensions),
        key_feed=KeyFeed(registry, settings.database, callers, signatures),
        denied_attempts=denied,
        signature_gate=signatures,
        workers=workers,
        engine_address=engine_address,
        keys=keys,
        run_folder=folder,
        lock_file=lock_file,
    )


def _upkeep(
    settings: Settings, registry: RegistryHandle, sync: CatalogSync, locks: AdapterLocks, pools: ThreadPools
) -> Upkeep:
    collect = partial(
        collect_garbage, registry, sync, locks, pools.reports, keep=settings.gc_keep, actor=ACTOR, dry_run=False
    )
    return Upkeep(registry, chores(registry, settings.review_keep_days, settings.gc_interval_hours, collect))


def _callers(settings: Settings, registry: RegistryHandle) -> Callers:
    """The demo's well-known keys are valid only on an address that other machines cannot reach."""
    key, demo_keys = admin_key(settings), settings.demo and settings.on_loopback
    return Callers(Directory(key, whole=False), lambda: read_directory(registry.database(), key, demo=demo_keys))


def _workers(
    settings: Settings,
    session: SessionParts,
    catalog: CatalogHolder,
    engine_address: str,
    address: tuple[str, int],
    folder: Path,
    plugins: Sequence[Found],
    keys: InsideKeys,
) -> WorkerPool:
    """Return the workers that listen at ``address`` and receive every change from the start."""
    pool = WorkerPool(settings, session, catalog, engine_address, address, folder / FRONT, plugins, keys)
    catalog.subscribe(pool.tell_adapters)
    session.callers.on_change = pool.tell_callers
    session.engine.on_change = pool.tell_engine
    return pool


def _subscribe(
    catalog: CatalogHolder, engine: EngineHandle, monitor: Monitor, plugin_host: PluginHost, *, spare: int
) -> None:
    """Subscribe the engine, the analysis and the plugin processes to changes of served adapters."""

    def hear(change: CatalogChange) -> None:
        if change.moved:
            engine.pin(catalog.current.default_releases(), spare)
        for entry, before in change.entries:
            monitor.follow(entry, before)
            plugin_host.make_ready(entry.releases[number] for number in entry.desired())
        engine.reconcile()

    catalog.subscribe(hear)


def open_registry(settings: Settings, plugins: PluginManager, base: BaseModel) -> Registry:
    """Open the registry, migrated to this version; add the demo if the settings ask for it."""
    database = Database(settings.database)
    database.migrate()
    artifacts = LocalStore.open(settings.artifact_folder, shared=settings.shared_with_group)
    artifacts.clear_incoming()
    registry = Registry(
        database, artifacts, base, plugins, settings.max_lora_rank, settings.window, settings.domain_quotas
    )
    if settings.demo:
        demo.seed(registry)
    return registry


def launcher(settings: Settings, base: BaseModel, socket: Path, key: str) -> Callable[[], EngineProcess]:
    """Return a function that starts vLLM with ``base`` on ``socket``, for who has ``key``; each call starts another."""
    cpu = command.on_cpu()
    line = command.command(settings, base.path.resolve(), socket, cpu=cpu)
    guarded = command.guarded(line, command.environment(os.environ, settings, cpu=cpu), key)
    return lambda: EngineProcess(*guarded, socket, settings.home / "logs" / "engine.log")
