"""Which files settings name, in whatever way they name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.gateway.settings import Settings
from postil.gateway.settings.files import database_files, secret_files


def settings_of(url: str | None) -> Settings:
    return Settings.model_validate({"database_url": url})


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////data/one.db", "/data/one.db"),
        ("sqlite:///one.db", "one.db"),
        ("sqlite:///file:/data/a%20b.db?uri=true", "/data/a b.db"),
        (None, str(Path(".postil").resolve() / "postil.db")),
    ],
)
def test_a_database_is_its_file_and_those_beside_it(url: str | None, file: str) -> None:
    assert [str(path) for path in database_files(settings_of(url))] == [
        file,
        f"{file}-wal",
        f"{file}-shm",
        f"{file}-journal",
    ]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql+psycopg://a:b@host/c"])
def test_a_database_elsewhere_has_no_files(url: str) -> None:
    assert database_files(settings_of(url)) == ()


def test_passwords_and_keys_for_postgresql_are_secret_files_wherever_they_are_named() -> None:
    url = "postgresql+psycopg://a:b@host/c?sslkey=/tls/key.pem&sslrootcert=/tls/ca.pem"
    found = set(secret_files(settings_of(url), {"PGPASSFILE": "/run/pgpass"}))
    assert {Path("/tls/key.pem"), Path("/run/pgpass"), Path.home() / ".pg_service.conf"} <= found
    assert Path("/tls/ca.pem") not in found


def test_tokens_are_found_where_their_hub_keeps_them() -> None:
    assert Path("/caches/huggingface/token") in secret_files(settings_of(None), {"XDG_CACHE_HOME": "/caches"})
    given = {"HF_HOME": "/hub", "HF_TOKEN_PATH": "/run/token"}
    assert {Path("/hub/token"), Path("/run/token")} <= set(secret_files(settings_of(None), given))
