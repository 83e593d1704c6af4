"""All parts of one gateway process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.auto_rollback import AutoRollback, RollbackCause
from postil.gateway.control.canary_steps import StepService
from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.change_feed import AdapterFeed, RemoteChanges
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.evidence_ledger import EvidenceLedger
from postil.gateway.control.inside_keys import InsideKeys
from postil.gateway.control.jobs.runner import JobRunner
from postil.gateway.control.jobs.service import FineTuning
from postil.gateway.control.key_feed import KeyFeed
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.metrics import MetricsText, ReviewCounts
from postil.gateway.control.publish import PublishService
from postil.gateway.control.reading_log import ReadingLog
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.control.reviews import Reviews
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.control.upkeep import Upkeep
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.control.workers import Workers
from postil.gateway.engine.scheduler.scheduler import Scheduler
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.shadow import Shadows
from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.settings import Settings
from postil.gateway.telemetry.sums import Sums
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.rate_limiter import RateLimiter
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.threads import ThreadPools
from postil.plugins.manager import PluginManager
from postil.registry.signing.requirements import SignatureGate

Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of a gateway, made by ``server.bootstrap.build``. Each user gets only the parts that it needs."""

    settings: Settings
    plugins: PluginManager
    plugin_host: PluginHost
    extensions: Extensions
    tasks: BackgroundTasks
    traffic: Traffic
    # Requests.
    catalog: CatalogHolder
    callers: Callers
    context: InferenceContext
    scheduler: Scheduler
    limits: RateLimiter
    ledger: UsageLedger
    evidence: EvidenceLedger
    shadows: Shadows
    # Registry and changes.
    registry: RegistryHandle
    engine: EngineHandle
    sync: CatalogSync
    pools: ThreadPools
    locks: AdapterLocks
    releases: ReleaseService
    publishing: PublishService
    reviews: Reviews
    webhooks: Webhooks
    readings: ReadingLog
    upkeep: Upkeep
    tuning: FineTuning
    jobs: JobRunner
    monitor: Monitor
    steps: StepService
    rollback_causes: asyncio.Queue[RollbackCause]
    auto_rollback: AutoRollback
    remote_changes: RemoteChanges
    adapter_feed: AdapterFeed
    key_feed: KeyFeed
    denied_attempts: DeniedAttempts
    signature_gate: SignatureGate
    # What is told of it.
    sums: Sums
    review_counts: ReviewCounts
    metrics: MetricsText
    # Process.
    workers: Workers
    engine_address: str
    keys: InsideKeys
    run_folder: Path
    lock_file: int
