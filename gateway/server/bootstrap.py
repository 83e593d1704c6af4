"""What a gateway opens when it comes up: its registry, and the process of its engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from postil.gateway.engine.process import launch_args as command
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.server import demo
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager
from postil.registry.artifacts.local_store import ArtifactStore
from postil.registry.base_model.model import BaseModel
from postil.registry.db.database import Database
from postil.registry.releases.service import Registry


def open_registry(settings: Settings, plugins: PluginManager, base: BaseModel) -> Registry:
    """The registry, brought to this version; with the demo in it, if that is wanted."""
    database = Database(settings.database)
    database.migrate()
    artifacts = ArtifactStore(settings.artifact_folder)
    artifacts.clear_incoming()
    registry = Registry(database, artifacts, base, plugins, settings.max_lora_rank)
    if settings.demo:
        demo.seed(registry)
    return registry


def launcher(settings: Settings, base: BaseModel, socket: Path) -> Callable[[], EngineProcess]:
    """Starts vLLM over ``base``, listening on ``socket``; each call another process."""
    cpu = command.on_cpu()
    return lambda: EngineProcess(
        command.command(settings, base.path.resolve(), socket, cpu=cpu),
        command.environment(os.environ, cpu=cpu),
        socket,
        settings.home / "logs" / "engine.log",
    )
