"""What the process keeps where, and what one connection may do."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from postil.gateway.settings.values import HttpLimits

_USUAL_PORTS = {"http": 80, "https": 443}


class ServerSettings(BaseSettings):
    """What the process keeps where, and what one connection may do."""

    home: Path = Field(
        default=Path(".postil"), description="The folder of all data: registry, artifacts, base model, logs, admin key."
    )
    host: str = Field(
        default="127.0.0.1", description="The address it listens on; the demo's keys exist on loopback only."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="The port it listens on; 0 takes a free one.")
    workers: int = Field(
        default=1, ge=1, le=256, description="How many processes answer on the port; together they are one gateway."
    )
    demo: bool = Field(default=False, description="Seed the registry with the demo's adapters, tenants and keys.")
    database_url: SecretStr | None = Field(
        default=None,
        description="URL of the database, as `postgresql+psycopg://...`; unset, SQLite in `POSTIL_HOME`. With"
        " `?sslmode=verify-full&sslrootcert=FILE` it is asked by TLS alone. `POSTIL_DATABASE_URL_FILE` names a file"
        " with it.",
    )
    artifacts: Path | None = Field(
        default=None, description="The adapters' files, shared by gateways on one database; unset, in `POSTIL_HOME`."
    )
    shared_with_group: bool = Field(
        default=False, description="Let the group of home and artifacts read and write them; otherwise one user may."
    )
    shutdown_delay_seconds: float = Field(
        default=5.0, ge=0, description="After SIGTERM, how long it says `draining` and still answers requests."
    )
    drain_timeout_seconds: float = Field(
        default=30.0, ge=0, description="How long requests in flight have to end once the port is closed."
    )
    upload_limit_mib: int = Field(
        default=512, ge=1, description="Size of an upload, as it is sent and as it unpacks, in MiB."
    )
    body_limit_mib: int = Field(default=8, ge=1, description="Size of a request's body under `/v1`, in MiB.")
    connection_limit: int = Field(
        default=2048,
        ge=1,
        description="Client connections at a time, of each process; one more is answered 503. An eighth of them, at"
        " most 32, is kept for health and the admin API.",
    )
    connections_per_address: int = Field(
        default=512,
        ge=1,
        description="Of these, the connections of one address (IPv6: one /64 network), unless it is a trusted proxy's.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description='Addresses or networks of proxies that everybody comes through, as `["10.0.0.0/8"]`.'
    )
    tenant_connections: int = Field(
        default=64,
        ge=1,
        description="Requests of one key that run or wait at a time, of each process; one more is answered 429."
        " A tenant's own limit `connections` is for all of its keys together, of each process too.",
    )
    head_timeout_seconds: float = Field(default=10.0, gt=0, description="How long a request's head may take to arrive.")
    stall_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a body may take for each 120 KiB or its end. A client that takes nothing of an answer"
        " for so long, looked at as often, is cut; one that takes a little now and then is not.",
    )
    keep_alive_seconds: int = Field(
        default=75,
        ge=1,
        le=3600,
        description="How long a connection may wait for its next request. Clients and balancers are told by the header"
        " `Keep-Alive`; a balancer's own time has to be shorter.",
    )
    stream_comment_seconds: float = Field(
        default=15.0,
        ge=0,
        le=3600,
        description="After so long a silence a stream says `: keep-alive`, which clients pass over, so that no proxy"
        " cuts it; 0: never.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(),
        description='Origins whose pages may ask under `/v1` from browsers, as `["https://app.example.com"]`; none'
        " unless set.",
    )

    denied_attempts_kept: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Rows of denied attempts that are kept; of two halves, strangers and known keys get one each.",
    )

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse here what others would quote: a password that is not escaped reads as a part of another kind."""
        if not url:
            return url
        try:
            parts = urlsplit(url.get_secret_value())
            good = parts.scheme in ("sqlite", "postgresql+psycopg") and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                "it has to be sqlite:///file or postgresql+psycopg://user:password@host:port/name (postgres:// is"
                " another library's), with what is neither"
                " a letter nor a digit in the password as %XX"
            )
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError("each has to be an address or a network, such as 10.0.0.5 or 10.0.0.0/8") from None
        return given

    @field_validator("cors_origins")
    @classmethod
    def _check_cors_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        """Take what browsers send: everything in lower case, no path, and no port that is the usual one."""
        for each in given:
            if not _is_origin(each):
                raise ValueError(
                    "each has to be an origin as browsers send it, such as https://app.example.com or"
                    " http://localhost:3000"
                )
        return given

    @property
    def database(self) -> str:
        """The database's URL; SQLite under ``home`` unless set."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.resolve() / 'postil.db'}"

    @property
    def artifact_folder(self) -> Path:
        """Where the adapters' files are kept; gateways that share a database share this too."""
        return self.artifacts or self.home / "artifacts"

    @property
    def admin_key_file(self) -> Path:
        """Where the admin key is kept."""
        return self.home / "admin.key"

    @property
    def http_limits(self) -> HttpLimits:
        """What one connection may do."""
        return HttpLimits(
            self.connection_limit,
            per_address=self.connections_per_address,
            trusted=self.trusted_proxies,
            local_only=self.demo and self.on_loopback,
            head_seconds=self.head_timeout_seconds,
            stall_seconds=self.stall_timeout_seconds,
            idle_seconds=self.keep_alive_seconds,
        )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        usual = parts.port == _USUAL_PORTS.get(parts.scheme)
    except ValueError:
        return False
    plain = f"{parts.scheme}://{parts.netloc}" == text == text.lower()
    return plain and parts.scheme in _USUAL_PORTS and bool(parts.hostname) and not usual and not set("*@") & set(text)
