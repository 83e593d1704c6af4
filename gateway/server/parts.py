"""The parts of a gateway, in groups: each group is made from those before it. ``bootstrap.build`` makes them all."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
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
from postil.gateway.control.jobs.result import ResultPublisher
from postil.gateway.control.jobs.runner import JobRunner
from postil.gateway.control.jobs.runs import Runs
from postil.gateway.control.jobs.service import FineTuning, TrainingBounds
from postil.gateway.control.jobs.trainer import TrainerCommand, Trainers
from postil.gateway.control.key_feed import KeyFeed
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.publish import PublishService
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.control.reviews import Reviews
from postil.gateway.control.upkeep import ACTOR, Upkeep, chores
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.lease import LocalLeases
from postil.gateway.engine.scheduler.scheduler import Scheduler
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.grammars import GrammarGate
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import UsageMeter
from postil.gateway.inference.policy_trial import PolicyTrials
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.shadow import Shadows
from postil.gateway.plugin_host.host import PluginHost, process_bounds
from postil.gateway.plugin_host.sandbox import sandbox_of
from postil.gateway.server.data_dir import hold, run_folder
from postil.gateway.server.observed import observed
from postil.gateway.settings import Settings
from postil.gateway.telemetry.request_metrics import RequestMetrics
from postil.gateway.telemetry.sums import Sums
from postil.gateway.telemetry.trace import Tracer
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.directory import Directory, admin_key, read_directory
from postil.gateway.tenancy.rate_limiter import LocalLimits, RateLimiter
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.tenancy.window_counts import WindowCounts
from postil.gateway.threads import ThreadPools
from postil.plugins.manager import PluginManager
from postil.registry.releases import shadow_agreement as agreements
from postil.registry.signing.requirements import SignatureGate


@dataclass(frozen=True, slots=True)
class Base:
    """What all other parts stand on."""

    settings: Settings
    plugins: PluginManager
    lock_file: int
    folder: Path
    keys: InsideKeys
    engine_address: str
    registry: RegistryHandle
    catalog: CatalogHolder
    engine: EngineHandle
    pools: ThreadPools
    locks: AdapterLocks
    sync: CatalogSync
    sums: Sums


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Who asks, and what they may and have used."""

    callers: Callers
    limits: RateLimiter
    ledger: UsageLedger
    denied: DeniedAttempts


@dataclass(frozen=True, slots=True)
class Analysis:
    """What requests have shown of releases."""

    causes: asyncio.Queue[RollbackCause]
    evidence: EvidenceLedger
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Serving:
    """What a request passes through."""

    scheduler: Scheduler
    plugin_host: PluginHost
    extensions: Extensions
    webhooks: Webhooks
    reviews: Reviews
    context: InferenceContext
    shadows: Shadows


@dataclass(frozen=True, slots=True)
class Control:
    """What changes releases, and hears of changes."""

    releases: ReleaseService
    publishing: PublishService
    upkeep: Upkeep
    tuning: FineTuning
    jobs: JobRunner
    auto_rollback: AutoRollback
    remote: RemoteChanges
    signatures: SignatureGate
    adapter_feed: AdapterFeed
    key_feed: KeyFeed


def make_base(
    settings: Settings, plugins: PluginManager, client: EngineClient | None, catalog: CatalogHolder | None
) -> Base:
    """Take the home, and make what all stands on. Raises SettingsError where another gateway has the home."""
    lock_file = hold(settings.home)
    folder = run_folder(lock_file)
    keys = InsideKeys.of(settings)
    address = settings.engine_url or f"unix:{folder / 'engine.sock'}"
    registry, catalog, pools = RegistryHandle(), catalog or CatalogHolder(), ThreadPools()
    engine = EngineHandle(client or _client(settings, address, keys), registry)
    sync = CatalogSync(registry, plugins, catalog, pools.catalog)
    locks, sums = AdapterLocks(), Sums(most_histograms=settings.metrics_histograms)
    return Base(
        settings, plugins, lock_file, folder, keys, address, registry, catalog, engine, pools, locks, sync, sums
    )  # fmt: skip


def _client(settings: Settings, address: str, keys: InsideKeys) -> EngineClient:
    return EngineClient(
        address, timeout_seconds=settings.engine_timeout_seconds, api_key=keys.engine, ca_file=settings.ca_file
    )


def make_tenancy(base: Base) -> Tenancy:
    """Make what knows the tenants."""
    settings, database = base.settings, base.registry.database
    callers, counts = _callers(settings, base.registry), WindowCounts()
    return Tenancy(
        callers,
        RateLimiter(counts, grammar_seconds=settings.tenant_grammar_seconds_per_minute),
        UsageLedger(database, counts, callers.limited, RequestMetrics(base.sums).used),
        DeniedAttempts(database, keep=settings.denied_attempts_kept),
    )


def _callers(settings: Settings, registry: RegistryHandle) -> Callers:
    """The demo's well-known keys are valid only on an address that other machines cannot reach."""
    key, demo_keys = admin_key(settings), settings.demo and settings.on_loopback
    return Callers(Directory(key, whole=False), lambda: read_directory(registry.database(), key, demo=demo_keys))


def make_analysis(base: Base) -> Analysis:
    """Make what weighs evidence."""
    causes: asyncio.Queue[RollbackCause] = asyncio.Queue()
    compare = partial(Comparison, alpha=base.settings.auto_rollback_alpha)
    evidence = EvidenceLedger(base.registry.database)
    monitor = Monitor(causes.put_nowait, compare, keep=evidence.add)
    evidence.on_users = monitor.used_by
    return Analysis(causes, evidence, monitor)


def make_serving(
    base: Base, tenancy: Tenancy, analysis: Analysis, scheduler: Scheduler, tracer: Tracer | None
) -> Serving:
    """Make what a request passes through; it is seen by the analysis, by shadows, and by ``tracer``."""
    settings, database = base.settings, base.registry.database
    plugin_host = PluginHost(base.plugins, settings.home / "logs", process_bounds(settings, sandbox_of(settings)))
    extensions, webhooks = Extensions.make(settings, base.plugins, plugin_host), Webhooks(settings.ca_file)
    waits = settings.review_waits_per_tenant
    reviews = Reviews(database, webhooks, settings.review_bounds, waits_per_tenant=waits)
    plain = InferenceContext(
        base.catalog,
        extensions,
        plugin_host,
        LabelPrefixes(),
        UsageMeter(tenancy.ledger, tenancy.limits),
        LocalLeases(base.engine.ready, scheduler),
        reviews,
        PolicyTrials(),
        GrammarGate(LocalLimits(tenancy.limits)),
    )
    context, shadows = observed(
        plain,
        base.engine.client,
        analysis.monitor,
        lambda counts: agreements.add(database(), counts),
        base.sums,
        tracer,
    )
    return Serving(scheduler, plugin_host, extensions, webhooks, reviews, context, shadows)


def make_control(
    base: Base, tenancy: Tenancy, analysis: Analysis, serving: Serving, trainer: TrainerCommand
) -> Control:
    """Make what changes releases."""
    settings, registry = base.settings, base.registry
    releases = ReleaseService(
        registry, base.engine, base.catalog, base.sync, tenancy.callers, serving.extensions, base.locks, base.plugins,
        serving.plugin_host.ready,
    )  # fmt: skip
    remote = RemoteChanges(base.sync, base.catalog, base.engine, base.locks)
    signatures = SignatureGate(registry.database)
    publishing = _publishing(base)
    tuning = _tuning(base, trainer)
    return Control(
        releases,
        publishing,
        _upkeep(base),
        tuning,
        _jobs(base, tenancy.callers, tuning, publishing, trainer),
        AutoRollback(analysis.causes, releases, base.catalog, enabled=settings.auto_rollback),
        remote,
        signatures,
        AdapterFeed(registry, settings.database, remote, serving.reviews, serving.extensions),
        KeyFeed(registry, settings.database, tenancy.callers, signatures),
    )


def _publishing(base: Base) -> PublishService:
    settings = base.settings
    return PublishService(
        base.registry,
        base.sync,
        base.locks,
        base.engine,
        FreeSpace(settings.artifact_folder, settings.min_free_mib << 20, Path(tempfile.gettempdir())),
        base.pools,
        limit=settings.upload_limit_mib << 20,
        hub_seconds=settings.hub_timeout_seconds,
        at_a_time=settings.uploads_per_publisher,
    )


def _tuning(base: Base, trainer: TrainerCommand) -> FineTuning:
    settings = base.settings
    bounds = TrainingBounds(
        file_bytes=settings.training_file_mib << 20,
        domain_bytes=settings.training_files_mib_per_domain << 20,
        open_jobs=settings.training_jobs_per_domain,
        max_rank=settings.max_lora_rank,
        device=settings.training_device,
    )
    disk = FreeSpace(settings.training, settings.min_free_mib << 20, Path(tempfile.gettempdir()))
    return FineTuning(base.registry, settings.training, disk, base.pools.publishing, bounds, trainer)


def _jobs(
    base: Base, callers: Callers, tuning: FineTuning, publishing: PublishService, trainer: TrainerCommand
) -> JobRunner:
    settings = base.settings
    trainers = Trainers(trainer, settings.training_memory_mib << 20, settings.home / "logs")
    results = ResultPublisher(base.registry, callers, tuning, publishing)
    runner = JobRunner(base.registry, tuning, Runs(base.registry, trainers), results, settings.home)
    tuning.on_change = runner.wake
    return runner


def _upkeep(base: Base) -> Upkeep:
    settings, registry = base.settings, base.registry
    collect = partial(
        collect_garbage,
        registry,
        base.sync,
        base.locks,
        base.pools.reports,
        keep=settings.gc_keep,
        actor=ACTOR,
        dry_run=False,
    )
    return Upkeep(registry, chores(registry, settings.review_keep_days, settings.gc_interval_hours, collect))
