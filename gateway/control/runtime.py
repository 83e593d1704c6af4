"""One running gateway: what it holds, how it comes up, how it goes down."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from postil.gateway.control.analysis.comparison import Comparison
from postil.gateway.control.analysis.monitor import Monitor, Regression
from postil.gateway.control.corruption import CorruptArtifact
from postil.gateway.control.reconciler import LoadFailure, Reconciler, in_order
from postil.gateway.control.reviews import Reviews
from postil.gateway.control.subscribers import Subscribers
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.engine.adapter_cache import AdapterCache
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.lease import LocalLeases
from postil.gateway.engine.process import launch_args as command
from postil.gateway.engine.scheduler.scheduler import make_scheduler
from postil.gateway.engine.supervisor import Phase, Supervisor
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.metering import metering
from postil.gateway.inference.pipeline import answered
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import warm_up_base
from postil.gateway.inference.routing.catalog import AdapterEntry, Catalog, make_entry
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.inference.shadow import Shadows
from postil.gateway.inference.shadow_context import Unseen
from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.plugin_host.ports import Isolation
from postil.gateway.server.bootstrap import launcher, open_registry
from postil.gateway.server.data_dir import hold, run_folder
from postil.gateway.settings import Settings
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.directory import Directory, admin_key, read_directory
from postil.gateway.tenancy.quota import Quota
from postil.plugins.manager import PluginManager
from postil.registry.base_model.prepare import prepare
from postil.registry.releases import shadow_agreement as agreements
from postil.registry.releases.service import Registry
from postil.registry.signing.requirements import SignatureGate

log = logging.getLogger(__name__)
Tell = Callable[[str, str], None]


class Gateway:
    """Everything one gateway process holds. ``tell(step, text)`` hears of its progress."""

    def __init__(self, settings: Settings, plugins: PluginManager, *, tell: Tell = lambda step, text: None) -> None:
        self._lock_file = hold(settings.home)
        self.settings = settings
        self.plugins = plugins
        self.catalog = Catalog()
        self._plugin_host = PluginHost(plugins, settings.home / "logs")
        self.plugin_host: Isolation = self._plugin_host
        self.extensions = Extensions(settings, plugins, self.plugin_host)
        self._admin_key = admin_key(settings)
        self.directory = Directory(self._admin_key, whole=False)
        self.problem: str | None = None
        self.in_flight = 0
        # The processes that answer in this one's place, if it was given any.
        self.subscribers: Subscribers = Subscribers()
        # Told to end: nobody new is to be sent here, whoever comes is answered for a while.
        self.draining = False
        # Changes to releases are made one at a time; no request for an answer ever waits for this.
        self.change_lock = asyncio.Lock()
        self._reading_tenants = asyncio.Lock()
        # Of its own: a revoked key must not go on while all other threads are at work on something large.
        self._keys_thread = ThreadPoolExecutor(1, "keys")
        self._tell = tell
        self._registry: Registry | None = None
        self._adapter_cache: AdapterCache | None = None
        self._supervisor: Supervisor | None = None
        self._reconciler: Reconciler | None = None
        # Releases found worse than their predecessors, for whoever takes them back.
        self.regressions: asyncio.Queue[Regression] = asyncio.Queue()
        self.corrupt_artifacts: asyncio.Queue[CorruptArtifact] = asyncio.Queue()
        self.monitor = Monitor(self.regressions.put_nowait, partial(Comparison, alpha=settings.auto_rollback_alpha))
        self.reviews = Reviews(lambda: self.registry().database, Webhooks(settings.webhook_secret))
        self.label_prefixes = LabelPrefixes()
        self.denied_attempts = DeniedAttempts(lambda: self.registry().database)
        self.signature_gate = SignatureGate(lambda: self.registry().database)
        self.limits, self.ledger, self.meter = metering(lambda: self.registry().database, self._limited)
        self.shadows = Shadows(partial(answered, Unseen(self)), self._keep_agreement)
        self._task: asyncio.Task[None] | None = None
        # Set when the registry has been read, up to the event of this number.
        self.opened = asyncio.Event()
        self.opened_at = 0
        self.run_folder = run_folder(self._lock_file)
        self.scheduler = make_scheduler(settings)
        self.leases = LocalLeases(self.engine, self.scheduler)
        self.engine_address = settings.engine_url or f"unix:{self.run_folder / 'engine.sock'}"
        self.client = EngineClient(
            self.engine_address, timeout_seconds=settings.engine_timeout_seconds, api_key=settings.engine_key
        )

    @property
    def demo_keys(self) -> bool:
        """Whether the demo's well-known keys are in force: only where nobody else can reach them."""
        return self.settings.demo and self.settings.on_loopback

    @property
    def phase(self) -> Phase:
        """What the engine is doing."""
        if self.problem:
            return Phase.FAILED
        return self._supervisor.phase if self._supervisor else Phase.STARTING

    @property
    def engine_restarts(self) -> int:
        """How often the engine had to be started again."""
        return self._supervisor.restarts if self._supervisor else 0

    @property
    def started(self) -> bool:
        """Whether the registry is open."""
        return self._registry is not None

    def can_serve(self, release: LoadedRelease) -> bool:
        """Whether the engine has a release loaded, and it may be answered by."""
        return self._adapter_cache is not None and self._adapter_cache.can_serve(
            release.engine_name, release.ref.domain
        )

    def load_failure(self, release: LoadedRelease) -> LoadFailure | None:
        """What keeps a release from being loaded, if anything does."""
        return self._reconciler.load_failure(release) if self._reconciler else None

    def started_request(self, record: RequestRecord) -> None:
        """A request is on its way to a release."""
        self.monitor.started(record)

    def finished_request(self, record: RequestRecord) -> None:
        """A request to a release has been answered, or has failed."""
        self.monitor.finished(record)
        self.shadows.finished(record)

    @property
    def body_limit(self) -> int:
        """How many bytes a request for an answer may have."""
        return self.settings.body_limit_mib << 20

    async def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Let a tenant's request in; see ``Limiter.admit``."""
        return self.limits.admit(quota)

    def left(self, quota: Quota | None) -> None:
        """A request that was let in has ended."""
        self.limits.left(quota)

    def registry(self) -> Registry:
        """The registry. Raises EngineUnavailableError until the base model has been prepared."""
        if self._registry is None:
            raise EngineUnavailableError(self.problem or "the gateway is still starting; try again in a moment")
        return self._registry

    def engine(self) -> tuple[EngineClient, AdapterCache]:
        """The engine. Raises EngineUnavailableError while it is not ready."""
        if self.phase is not Phase.READY or self._adapter_cache is None:
            raise EngineUnavailableError(f"the engine is not ready ({self.phase}); try again in a moment")
        return self.client, self._adapter_cache

    def start(self) -> None:
        """Begin to come up, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the engine and all that was started. Safe at any point of coming up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.subscribers.stop()
        await self.shadows.stop()
        await self.label_prefixes.stop()
        await self._plugin_host.stop()
        await self.reviews.stop()
        if self._supervisor is not None:
            await self._supervisor.stop()
        await self.client.close()
        self._keys_thread.shutdown(wait=False)
        if self._registry is not None:
            await self.ledger.stop()
            self._registry.database.close()
        shutil.rmtree(self.run_folder, ignore_errors=True)
        os.close(self._lock_file)

    def swap(self, entry: AdapterEntry, defaults: Mapping[str, str]) -> None:
        """Serve an adapter like this from the next request on."""
        before = self.catalog.entries.get(str(entry.name))
        if entry == before and defaults == self.catalog.defaults:
            return
        moved = defaults != self.catalog.defaults or defaults.get(entry.name.domain) == entry.name.adapter
        self.catalog = self.catalog.with_adapter(entry, defaults)
        self.subscribers.tell_adapters([entry], defaults)
        if moved:
            self._pin()
        self.monitor.follow(entry, before)
        self._plugin_host.make_ready(entry.releases[number] for number in entry.desired())
        if self._reconciler is not None:
            self._reconciler.wake()

    async def refresh_tenants(self) -> None:
        """Take the tenants and all keys over from the registry."""
        async with self._reading_tenants:  # One at a time: else an older list could take the place of a newer one.
            read = partial(read_directory, self.registry().database, self._admin_key, demo=self.demo_keys)
            self.directory = await asyncio.get_running_loop().run_in_executor(self._keys_thread, read)
            self.subscribers.tell_callers()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as coming:
                coming.create_task(self.subscribers.start())
                await self._open()
            assert self._supervisor is not None, "_open made it"
            assert self._reconciler is not None, "_open made it"
            async with asyncio.TaskGroup() as group:
                parts = (self._reconciler, self.shadows, self.reviews, self.ledger)
                beside = [group.create_task(part.run()) for part in parts]
                await self._supervisor.run()
                for task in beside:
                    task.cancel()
        except Exception as error:
            first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            self.problem = str(first) or type(first).__name__
            log.exception("the gateway could not come up")
            self.subscribers.tell_engine()
            self._tell("failed", self.problem)

    async def _open(self) -> None:
        self._tell("base", "preparing the base model")
        base = await asyncio.to_thread(prepare, self.settings.base_model, self.settings.home)
        launch = None if self.settings.engine_url else launcher(self.settings, base, self.run_folder / "engine.sock")
        self._tell("registry", "opening the registry")
        registry = await asyncio.to_thread(open_registry, self.settings, self.plugins, base)
        adapter_cache = self._adapter_cache = AdapterCache(
            self.client,
            registry.artifacts,
            capacity=command.held(self.settings),
            busy=self.scheduler.is_in_flight,
            clear=self.signature_gate.check,
        )
        self._registry = registry
        self.opened_at = await asyncio.to_thread(registry.newest_event)
        states = await asyncio.to_thread(registry.adapters)
        entries = await asyncio.to_thread(lambda: [make_entry(state, self.plugins, base) for state in states])
        self.catalog = Catalog(
            {str(entry.name): entry for entry in entries}, await asyncio.to_thread(registry.default_adapters)
        )
        self.subscribers.tell_adapters(entries, self.catalog.defaults)
        for entry in entries:
            self.monitor.follow(entry, None)
            self._plugin_host.make_ready(entry.releases[number] for number in entry.desired())
        self._pin()
        await self.refresh_tenants()
        self.opened.set()
        self._reconciler = Reconciler(
            # The catalog is another one after every change.
            self.client,
            adapter_cache,
            lambda: in_order(self.catalog.desired(), adapter_cache.pinned),
            ready=lambda: self.phase is Phase.READY,
            tell=partial(self._tell, "adapter"),
            at_once=self.settings.max_loras,
            damaged=lambda release, why: self.corrupt_artifacts.put_nowait(CorruptArtifact(release.ref, why)),
        )
        self._supervisor = Supervisor(
            self.client,
            launch,
            warm=self._reconciler.warm,
            tell=self._engine_tells,
            start_seconds=self.settings.engine_start_seconds,
            stall_seconds=self.settings.engine_stall_seconds,
            probe=lambda: self.client.post(Kind.CHAT.value, warm_up_base()),
            moved=self.subscribers.tell_engine,
        )

    def _limited(self) -> bool:
        return self.directory.limited()

    def _pin(self) -> None:
        """Keep in the engine what answers for a domain, as far as that leaves room for what is asked for besides."""
        if self._adapter_cache is not None:
            most = self._adapter_cache.capacity - self.settings.max_loras
            self._adapter_cache.pinned = frozenset(
                release.engine_name for release in self.catalog.default_releases()[:most]
            )

    def _engine_tells(self, phase: Phase, reason: str) -> None:
        if phase is Phase.DOWN and self._adapter_cache is not None:
            self._adapter_cache.evict()
            self.label_prefixes.clear()
            self.meter.fingerprint.written = None
        if phase is Phase.FAILED:
            self.problem = reason
        if phase is Phase.READY and self._reconciler is not None:
            self._reconciler.wake()
        self._tell(str(phase), reason)

    def _keep_agreement(self, counts: Mapping[agreements.Compared, int]) -> None:
        agreements.add(self.registry().database, counts)
