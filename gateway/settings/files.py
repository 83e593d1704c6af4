"""The files that settings name: which hold a secret, and which decide what is served and to whom."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import make_url

from postil.gateway.settings.read import Settings
from postil.gateway.settings.secret_names import SECRETS, file_variable

# Files that SQLite makes beside a database.
_BESIDE_SQLITE = ("", "-wal", "-shm", "-journal")
_SETTINGS = Path("postil.toml")
# Where an orchestrator puts the account of a pod, unasked.
_OF_KUBERNETES = Path("/var/run/secrets/kubernetes.io")
# How PostgreSQL's client is told of files: in the URL, by a variable, or where it looks unasked.
_OF_POSTGRES = (
    ("passfile", "PGPASSFILE", "~/.pgpass"),
    ("sslkey", "PGSSLKEY", "~/.postgresql/postgresql.key"),
    ("servicefile", "PGSERVICEFILE", "~/.pg_service.conf"),
)
_AUTHORITIES_OF_POSTGRES = (("sslrootcert", "PGSSLROOTCERT", "~/.postgresql/root.crt"),)


def database_files(settings: Settings) -> tuple[Path, ...]:
    """The files of an SQLite database, whether they are there or not; none of another database."""
    url = make_url(settings.database)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return ()
    name = unquote(url.database.removeprefix("file:")) if url.database.startswith("file:") else url.database
    return tuple(Path(name + end) for end in _BESIDE_SQLITE)


def secret_files(settings: Settings, given: Mapping[str, str]) -> tuple[Path, ...]:
    """Every file and folder with a secret of the gateway's outside its home; ``given`` is its environment."""
    caches = Path(given.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    hub = Path(given.get("HF_HOME") or caches / "huggingface")
    named = [given.get("POSTIL_CLIENT_CERTIFICATE"), given.get("HF_TOKEN_PATH"), given.get("HF_STORED_TOKENS_PATH")]
    return (
        *database_files(settings),
        *((settings.tls_key,) if settings.tls_key else ()),
        *(path for _, path in _with_secrets(given)),
        *_of_postgres(settings, given, _OF_POSTGRES),
        *(Path(path) for path in named if path),
        _SETTINGS,
        hub / "token",
        hub / "stored_tokens",
        _OF_KUBERNETES,
    )


def trusted_paths(settings: Settings, given: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield the files and folders outside the home that decide what is served and to whom, each with its setting."""
    for name in ("tls_certificate", "tls_key", "tls_client_ca", "ca_file"):
        if (path := getattr(settings, name)) is not None:
            yield f"POSTIL_{name.upper()}", path
    yield from _with_secrets(given)
    yield from (("POSTIL_DATABASE_URL", file.parent) for file in database_files(settings)[:1])
    for path in _of_postgres(settings, given, (*_OF_POSTGRES, *_AUTHORITIES_OF_POSTGRES)):
        yield "POSTIL_DATABASE_URL", path
    if _SETTINGS.exists():
        yield str(_SETTINGS), _SETTINGS
    if settings.base_model is not None and (base := Path(os.path.expanduser(settings.base_model))).is_dir():
        yield "POSTIL_BASE_MODEL", base


def _with_secrets(given: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for name in sorted(SECRETS):
        if path := given.get(variable := file_variable(name)):
            yield variable, Path(path)


def _of_postgres(
    settings: Settings, given: Mapping[str, str], which: tuple[tuple[str, str, str], ...]
) -> tuple[Path, ...]:
    url = make_url(settings.database)
    if url.get_backend_name() != "postgresql":
        return ()
    named = (url.query.get(option) or given.get(variable) or unasked for option, variable, unasked in which)
    return tuple(Path(os.path.expanduser(path)) for path in named if isinstance(path, str) and path != "system")
