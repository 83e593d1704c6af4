from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from postil.registry.db import job_tables, safety_tables
from postil.registry.db import queries as store
from postil.registry.db import tables as models
from postil.registry.db.audit_chain import first_break
from postil.registry.db.database import Database, alembic_config
from postil.registry.errors import UnavailableError
from tests.registry.conftest import Publish

TABLES = [
    "agreement", "canarysteps", "channel", "deniedattempt", "domain", "event", "evidence", "heldoutuse", "key", "lease",
    "pin", "release", "review", "signature", "signingkey", "spent", "tenant", "trainingevent", "trainingfile",
    "trainingjob", "usage", "webhook", "writer",
]  # fmt: skip


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    """A database without a table."""
    made = Database(empty_url)
    yield made
    made.close()


def tables(database: Database) -> list[str]:
    """The tables there are, Alembic's own left out."""
    return sorted(set(inspect(database.engine).get_table_names()) - {"alembic_version"})


def test_an_empty_database_gets_every_table(empty: Database) -> None:
    empty.migrate()
    assert tables(empty) == sorted(SQLModel.metadata.tables) == TABLES
    assert {safety_tables.Evidence.__tablename__, job_tables.TrainingJob.__tablename__} <= set(TABLES)


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(models.Domain(name="legal", default_adapter="clause"))
    database.migrate()
    with database.read() as session:
        assert [domain.name for domain in store.domains(session)] == ["legal"]


def test_the_models_are_what_the_migrations_make(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_a_column_that_no_migration_makes_would_be_seen(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE key DROP COLUMN prefix"))
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        ((kind, _, table, column),) = compare_metadata(context, SQLModel.metadata)
    assert (kind, table, column.name) == ("add_column", "key", "prefix")


def test_a_database_in_use_goes_down_and_up_again(database: Database, publish: Publish) -> None:
    publish()
    with database.write() as session:
        session.add(models.Tenant(name="clinic", domains=["healthcare"]))
    database.downgrade("0002")  # Version 0001 cannot verify events with details, as every publish has.
    assert "key" not in tables(database)
    database.migrate()
    assert tables(database) == TABLES
    with database.read() as session:
        assert first_break(store.events(session)) is None


def test_every_step_up_can_be_taken_down_again(empty: Database) -> None:
    script = ScriptDirectory.from_config(alembic_config(None))
    for step in reversed(list(script.walk_revisions())):
        empty.migrate(step.revision)
        empty.downgrade(str(step.down_revision or "base"))
        empty.migrate(step.revision)
    assert tables(empty) == TABLES


def test_the_migrations_are_one_chain() -> None:
    script = ScriptDirectory.from_config(alembic_config(None))
    assert len(script.get_heads()) == len(script.get_bases()) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty: Database) -> None:
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE tenant (x INTEGER)"))
    with pytest.raises(UnavailableError, match="has other tables than postil makes"):
        empty.migrate()
    assert tables(empty) == ["tenant"]


def test_a_database_opened_again_holds_what_was_written(database: Database, publish: Publish, url: str) -> None:
    publish()
    database.close()
    again = Database(url)
    again.migrate()
    with again.read() as session:
        assert first_break(store.events(session)) is None
        assert [str(name) for name in store.adapters(session)] == ["healthcare/triage"]
    again.close()
