"""One running gateway: what it holds, how it comes up, how it goes down."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from postil.gateway import demo, payload
from postil.gateway.catalog import Catalog, make_entry
from postil.gateway.engine import command
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.process import EngineProcess
from postil.gateway.engine.residency import LoadError, Residency
from postil.gateway.engine.supervisor import Phase, Supervisor
from postil.gateway.errors import EngineUnavailableError, SettingsError
from postil.gateway.settings import Settings
from postil.gateway.tenants import DEMO_TENANTS, Directory, admin_key
from postil.plugins.manager import PluginManager
from postil.registry.artifacts import ArtifactStore
from postil.registry.base.model import BaseModel
from postil.registry.base.prepare import prepare
from postil.registry.database import Database
from postil.registry.names import AdapterName
from postil.registry.releases import Registry
from postil.registry.tenants import list_tenants

log = logging.getLogger(__name__)
Tell = Callable[[str, str], None]


class Gateway:
    """Everything one gateway process holds. ``tell(step, text)`` hears of its progress."""

    def __init__(self, settings: Settings, plugins: PluginManager, *, tell: Tell = lambda step, text: None) -> None:
        self._lock_file = _lock(settings.home)
        self.settings = settings
        self.plugins = plugins
        self.catalog = Catalog()
        self.directory = Directory(admin_key(settings), demo=self.demo_keys)
        self.problem: str | None = None
        self.failed_loads: dict[str, str] = {}
        self.in_flight = 0
        # Changes to releases are made one at a time; no request for an answer ever waits for this.
        self.changing = asyncio.Lock()
        self._tell = tell
        self._registry: Registry | None = None
        self._residency: Residency | None = None
        self._supervisor: Supervisor | None = None
        self._task: asyncio.Task[None] | None = None
        self._run_folder = Path(tempfile.mkdtemp(prefix="postil-"))
        self.client = EngineClient(
            settings.engine_url or f"unix:{self._run_folder / 'engine.sock'}",
            timeout_seconds=settings.engine_timeout_seconds,
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

    def holds(self, engine_name: str) -> bool:
        """Whether the engine has an artifact loaded."""
        return self._residency is not None and self._residency.holds(engine_name)

    def registry(self) -> Registry:
        """The registry. Raises EngineUnavailableError until the base model has been prepared."""
        if self._registry is None:
            raise EngineUnavailableError(self.problem or "the gateway is still starting; try again in a moment")
        return self._registry

    def engine(self) -> tuple[EngineClient, Residency]:
        """The engine. Raises EngineUnavailableError while it is not ready."""
        if self.phase is not Phase.READY or self._residency is None:
            raise EngineUnavailableError(f"the engine is not ready ({self.phase}); try again in a moment")
        return self.client, self._residency

    def start(self) -> None:
        """Begin to come up, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the engine and all that was started. Safe at any point of coming up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._supervisor is not None:
            await self._supervisor.stop()
        await self.client.close()
        if self._registry is not None:
            self._registry.database.close()
        shutil.rmtree(self._run_folder, ignore_errors=True)
        os.close(self._lock_file)

    async def refresh(self, name: AdapterName) -> None:
        """Take one adapter's state over from the registry."""
        registry = self.registry()
        state = await asyncio.to_thread(registry.state, name)
        defaults = await asyncio.to_thread(registry.default_adapters)
        self.catalog = self.catalog.with_adapter(make_entry(state, self.plugins, registry.base), defaults)

    async def refresh_tenants(self) -> None:
        """Take the tenants over from the registry."""
        tenants = await asyncio.to_thread(list_tenants, self.registry().database)
        taken = [tenant for tenant in tenants if not (self.demo_keys and tenant.name in DEMO_TENANTS)]
        self.directory = Directory(admin_key(self.settings), taken, demo=self.demo_keys)

    async def _run(self) -> None:
        try:
            await self._open()
            assert self._supervisor is not None, "_open made it"
            await self._supervisor.run()
        except Exception as error:
            self.problem = str(error) or type(error).__name__
            log.exception("the gateway could not come up")
            self._tell("failed", self.problem)

    async def _open(self) -> None:
        self._tell("base", "preparing the base model")
        base = await asyncio.to_thread(prepare, self.settings.base_model, self.settings.home)
        launch = None if self.settings.engine_url else self._launcher(base)
        self._tell("registry", "opening the registry")
        registry = await asyncio.to_thread(self._open_registry, base)
        self._residency = Residency(self.client, registry.artifacts)
        self._registry = registry
        states = await asyncio.to_thread(registry.adapters)
        entries = [make_entry(state, self.plugins, base) for state in states]
        self.catalog = Catalog(
            {str(entry.name): entry for entry in entries}, await asyncio.to_thread(registry.default_adapters)
        )
        await self.refresh_tenants()
        self._supervisor = Supervisor(
            self.client, launch, warm=self._warm, tell=self._engine_tells,
            start_seconds=self.settings.engine_start_seconds,
        )

    def _open_registry(self, base: BaseModel) -> Registry:
        database = Database(self.settings.database)
        database.migrate()
        artifacts = ArtifactStore(self.settings.home / "artifacts")
        artifacts.clear_incoming()
        registry = Registry(database, artifacts, base, self.plugins, self.settings.max_lora_rank)
        if self.settings.demo:
            demo.seed(registry)
        return registry

    def _launcher(self, base: BaseModel) -> Callable[[], EngineProcess]:
        cpu = command.on_cpu()
        socket = self._run_folder / "engine.sock"
        return lambda: EngineProcess(
            command.command(self.settings, base.path.resolve(), socket, cpu=cpu),
            command.environment(os.environ, cpu=cpu),
            socket,
            self.settings.home / "logs" / "engine.log",
        )

    async def _warm(self) -> None:
        """Load every live release and ask each once, the way a client would: compilers and caches start cold."""
        assert self._residency is not None, "the engine starts after the registry is open"
        self._residency.forget()
        await self.client.post(payload.Kind.CHAT.value, payload.warm_up_base())
        self.failed_loads = {}
        for release in self.catalog.live():
            try:
                await self._residency.ensure(release.engine_name, release.artifact)
                await self.client.post(payload.Kind.CHAT.value, payload.warm_up(release))
                self._tell("adapter", str(release.ref))
            except LoadError as error:
                # One adapter that cannot be loaded must not keep the others from answering.
                self.failed_loads[str(release.ref)] = str(error)
                log.error("%s cannot be loaded: %s", release.ref, error)

    def _engine_tells(self, phase: Phase, reason: str) -> None:
        if phase is Phase.DOWN and self._residency is not None:
            self._residency.forget()
        if phase is Phase.FAILED:
            self.problem = reason
        self._tell(str(phase), reason)


def _lock(home: Path) -> int:
    """Hold the data folder: two gateways in one would each take the other's half-done publish for rubbish."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"another postil serves from {home}; stop it, or set POSTIL_HOME to another folder"
        ) from None
    return descriptor
