"""All settings, read once: from the environment (``POSTIL_*``), else from ``postil.toml``, else as given here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from postil.gateway.errors import SettingsError
from postil.registry.defaults import KEEP

# What a message must not quote: a secret, or what may hold one.
_SECRETS = frozenset({"database_url", "engine_api_key", "engine_args", "engine_url", "webhook_secret"})


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one connection may do; the sizes of bodies are the routes' own.

    ``stall_seconds`` is how long a body may take to bring ``stall_bytes`` or its end, and an answer to be taken.
    """

    connections: int = 2048
    head_bytes: int = 64 << 10
    headers: int = 100
    head_seconds: float = 10.0
    stall_seconds: float = 30.0
    stall_bytes: int = 120 << 10
    # How long an answer that was given before the body had ended may be read, before the line is cut.
    linger_seconds: float = 5.0


class PluginUse(BaseModel):
    """A plugin by its name, with its configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class Settings(BaseSettings):
    """One frozen object that is passed to whoever needs it."""

    model_config = SettingsConfigDict(
        env_prefix="POSTIL_", toml_file="postil.toml", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    home: Path = Path(".postil")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    demo: bool = False
    base_model: str | None = None
    database_url: SecretStr | None = None
    artifacts: Path | None = None
    engine_url: str | None = None
    engine_api_key: SecretStr | None = None
    engine_args: Annotated[str, Field(repr=False)] = ""  # It may hold a token for downloads.
    engine_start_seconds: Annotated[float, Field(gt=0)] = 600.0
    engine_timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    engine_stall_seconds: Annotated[float, Field(ge=0)] = 30.0
    shutdown_delay_seconds: Annotated[float, Field(ge=0)] = 5.0
    drain_timeout_seconds: Annotated[float, Field(ge=0)] = 30.0
    dtype: str | None = None
    max_model_len: Annotated[int, Field(ge=16)] = 2048
    max_lora_rank: Annotated[int, Field(ge=1, le=512)] = 16
    max_loras: Annotated[int, Field(ge=1)] = 8
    max_cpu_loras: Annotated[int, Field(ge=1)] = 64
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 256
    max_sequences: Annotated[int, Field(ge=1)] = 8
    queue_per_tenant: Annotated[int, Field(ge=1)] = 1024
    queue_total: Annotated[int, Field(ge=1)] = 8192
    queue_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    adapter_wait_seconds: Annotated[float, Field(ge=0)] = 0.25
    tenant_weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    gc_keep: Annotated[int, Field(ge=0)] = KEEP
    plugins_dir: Path | None = None
    router: PluginUse | None = None
    gates: tuple[PluginUse, ...] = ()
    listeners: tuple[PluginUse, ...] = ()
    webhook_secret: SecretStr | None = None
    auto_rollback: bool = True
    auto_rollback_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    hub_timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    upload_limit_mib: Annotated[int, Field(ge=1)] = 512
    body_limit_mib: Annotated[int, Field(ge=1)] = 8
    connection_limit: Annotated[int, Field(ge=1)] = 2048
    head_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    stall_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed in wins over the environment, and that over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("engine_url")
    @classmethod
    def _check_engine_url(cls, url: str | None) -> str | None:
        if url is None or url.startswith("unix:/"):
            return url
        if "@" in url:
            raise ValueError("a URL with a name or a password ends in logs; set POSTIL_ENGINE_API_KEY instead")
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError("it has to be http://host:port or https://host")
        return url

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse here what others would quote: a password that is not escaped reads as a part of another kind."""
        if not url:
            return url
        try:
            parts = urlsplit(url.get_secret_value())
            good = parts.scheme == "sqlite" or (parts.scheme.startswith("postgresql") and parts.port != 0)
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                "it has to be sqlite:///file or postgresql+psycopg://user:password@host:port/name, with what is neither"
                " a letter nor a digit in the password as %XX"
            )
        return url

    @field_validator("engine_api_key")
    @classmethod
    def _check_engine_api_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not (key and all("!" <= letter <= "~" for letter in key.get_secret_value())):
            raise ValueError("it has to be one word of printable ASCII, as it goes into a header")
        return key

    @property
    def engine_key(self) -> str | None:
        """What an engine of somebody else's is sent; our own is reached by nobody but us, and wants none."""
        return self.engine_api_key.get_secret_value() if self.engine_api_key and self.engine_url else None

    @property
    def database(self) -> str:
        """The database's URL; SQLite under ``home`` unless set."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.resolve() / 'postil.db'}"

    @property
    def webhook_key(self) -> str | None:
        """What signs the posts to webhooks."""
        return self.webhook_secret.get_secret_value() if self.webhook_secret else None

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
            head_seconds=self.head_timeout_seconds,
            stall_seconds=self.stall_timeout_seconds,
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


def read_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` wins where it is not None. Raises SettingsError in one sentence."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(_sentence(first["loc"], first["input"], first["msg"], first["type"])) from error


def _sentence(where: tuple[int | str, ...], value: object, says: str, kind: str) -> str:
    name = "_".join(str(part) for part in where)
    # A name that nothing has may be a secret's, misspelt.
    shown = "" if name in _SECRETS or kind == "extra_forbidden" else f"={value!r}"
    return f"POSTIL_{name.upper()}{shown}: {says.removeprefix('Value error, ')}"
