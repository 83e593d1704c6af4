"""Finds the files of an adapter: a folder, or a release of the registry on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from postil.gateway.cli.api_client import CommandError
from postil.gateway.settings import Settings, read_settings
from postil.registry.names import AdapterName, parse_release

if TYPE_CHECKING:
    from postil.registry.artifacts.local_store import LocalStore
    from postil.registry.db.database import Database
    from postil.registry.training.compare_adapters import HeldOutUses


@contextmanager
def adapter_folders(names: Sequence[str]) -> Iterator[list[Path]]:
    """Return the folder of each name; the releases among them stay as they are during the block.

    A name is that of a folder, or a release such as ``healthcare/triage@2``. Raises CommandError, RegistryError where
    there is none of that name.
    """
    if all(Path(name).is_dir() for name in names):
        yield [Path(name) for name in names]
        return
    # Imported here because it is slow.
    from postil.registry.artifacts.local_store import LocalStore
    from postil.registry.db.database import Database

    settings = read_settings()
    _check_there(settings)
    store = LocalStore.open(settings.artifact_folder, shared=settings.shared_with_group)
    database = Database(settings.database)
    try:
        with store.naming():  # Nothing is collected meanwhile.
            yield [_folder(name, database, store) for name in names]
    finally:
        database.close()


def held_out_uses(names: Sequence[str], digest: str) -> HeldOutUses | None:
    """Return how many adapters of a release's domain were measured with a file.

    None where no name is that of a release, or the registry is from before that was counted.
    """
    releases = [name for name in names if not Path(name).is_dir()]
    if not releases:
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from postil.registry.db.database import Database
    from postil.registry.errors import UnavailableError
    from postil.registry.releases.held_out_uses import uses
    from postil.registry.training.compare_adapters import HeldOutUses

    settings = read_settings()
    database = Database(settings.database)
    try:
        used = uses(database, parse_release(releases[-1]).domain, digest)
        return HeldOutUses(uses=used, limit=settings.held_out_limit)
    except (SQLAlchemyError, UnavailableError):
        return None
    finally:
        database.close()


def _check_there(settings: Settings) -> None:
    from postil.gateway.settings.files import database_files

    for file in database_files(settings)[:1]:
        if not file.is_file():
            raise CommandError(
                f"there is no registry at {file}; run this with the POSTIL_HOME of the gateway, or name two folders"
            )


def _folder(name: str, database: Database, store: LocalStore) -> Path:
    from postil.registry.db.queries import release

    if Path(name).is_dir():
        return Path(name)
    ref = parse_release(name)
    with database.read() as session:
        found = release(session, AdapterName(ref.domain, ref.adapter), ref.number)
        if found is None:
            raise CommandError(f"there is no release {ref} in the registry here; see `postil releases list`")
        return store.verified_path(found.artifact)
