"""All settings, read once: from the environment (``POSTIL_*``), else from ``postil.toml``, else as given here."""

from __future__ import annotations

import ipaddress
import os
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


# Names of an earlier version: left in the environment, they would be passed over in silence.
_RENAMED = {
    "LEAVE_SECONDS": "SHUTDOWN_DELAY_SECONDS",
    "DRAIN_SECONDS": "DRAIN_TIMEOUT_SECONDS",
    "ADAPTER_PATIENCE_SECONDS": "ADAPTER_WAIT_SECONDS",
    "QUEUE_SECONDS": "QUEUE_TIMEOUT_SECONDS",
    "MAX_IN_FLIGHT": "MAX_CONCURRENT_REQUESTS",
    "PLAIN_LORA": "DISABLE_LORA_KERNELS",
}


class Settings(BaseSettings):
    """All settings of a gateway, frozen."""

    model_config = SettingsConfigDict(
        env_prefix="POSTIL_", toml_file="postil.toml", frozen=True, extra="forbid", hide_input_in_errors=True
    )

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
    base_model: str | None = Field(
        default=None, description="The base model: `org/name` or `org/name@revision` on Hugging Face, or a folder."
    )
    database_url: SecretStr | None = Field(
        default=None, description="URL of the database, as `postgresql+psycopg://...`; unset, SQLite in `POSTIL_HOME`."
    )
    artifacts: Path | None = Field(
        default=None, description="The adapters' files, shared by gateways on one database; unset, in `POSTIL_HOME`."
    )
    engine_url: str | None = Field(
        default=None, description="URL of a vLLM of your own; unset, the gateway starts vLLM as a child process."
    )
    engine_api_key: SecretStr | None = Field(
        default=None, description="Sent to that vLLM as `Authorization: Bearer` with every request; shown nowhere."
    )
    engine_args: str = Field(default="", repr=False, description="More arguments for the child vLLM's command line.")
    engine_start_seconds: float = Field(
        default=600.0, gt=0, description="How long vLLM may take to start before it is started again."
    )
    engine_timeout_seconds: float = Field(
        default=300.0, gt=0, description="How long the gateway waits for the next bytes of vLLM's answer."
    )
    engine_stall_seconds: float = Field(
        default=30.0,
        ge=0,
        description="After so long without a token, vLLM is probed, and restarted if it hangs; 0: never.",
    )
    shutdown_delay_seconds: float = Field(
        default=5.0, ge=0, description="After SIGTERM, how long it says `draining` and still answers requests."
    )
    drain_timeout_seconds: float = Field(
        default=30.0, ge=0, description="How long requests in flight have to end once the port is closed."
    )
    dtype: str | None = Field(default=None, description="vLLM's `--dtype`; unset, `float32` on CPUs, else `auto`.")
    max_model_len: int = Field(
        default=2048, ge=16, description="vLLM's `--max-model-len`: tokens of prompt and answer together."
    )
    max_lora_rank: int = Field(
        default=16, ge=1, le=512, description="The largest rank of an adapter; a larger one is refused at publish."
    )
    max_loras: int = Field(default=8, ge=1, description="How many adapters one batch can mix; vLLM's `--max-loras`.")
    max_cpu_loras: int = Field(
        default=64, ge=1, description="How many adapters vLLM holds in memory; the least recently used one is unloaded."
    )
    max_concurrent_requests: int = Field(
        default=256, ge=1, description="Sequences at vLLM at a time; its `--max-num-seqs`."
    )
    max_sequences: int = Field(
        default=8, ge=1, description="Sequences of one request (its prompts times its `n`); more is answered 400."
    )
    queue_per_tenant: int = Field(
        default=1024, ge=1, description="How many requests of one tenant may wait; one more is answered 429."
    )
    queue_total: int = Field(
        default=8192, ge=1, description="How many requests may wait in all; one more is answered 429."
    )
    queue_timeout_seconds: float = Field(
        default=60.0, gt=0, description="A request that has waited so long is answered 504 and not sent to vLLM."
    )
    adapter_wait_seconds: float = Field(
        default=0.25, ge=0, description="After so long a wait for an adapter, another one's slot is emptied."
    )
    tenant_weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description='Shares of vLLM by tenant, as `{"clinic": 2}`; 1 unless named.'
    )
    gc_keep: int = Field(default=KEEP, ge=0, description="How many of an adapter's newest releases `postil gc` keeps.")
    plugins_dir: Path | None = Field(
        default=None, description="A folder of single-file plugins (`*.py`), beside the installed ones."
    )
    router: PluginUse | None = Field(
        default=None, description="The router plugin, for requests whose `model` is `auto` or missing."
    )
    gates: tuple[PluginUse, ...] = Field(default=(), description="The gate plugins that a promotion has to pass.")
    listeners: tuple[PluginUse, ...] = Field(default=(), description="The listener plugins that hear of every event.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="Signs the webhooks of reviews (`x-postil-signature`)."
    )
    auto_rollback: bool = Field(
        default=True, description="Roll a release back that is worse than its predecessor; `false` only logs it."
    )
    auto_rollback_alpha: float = Field(
        default=0.01, gt=0, lt=1, description="Probability of a false alarm in one comparison of two releases."
    )
    hub_timeout_seconds: float = Field(
        default=600.0, gt=0, description="How long a download from a model hub may take."
    )
    upload_limit_mib: int = Field(
        default=512, ge=1, description="Size of an upload, as it is sent and as it unpacks, in MiB."
    )
    body_limit_mib: int = Field(default=8, ge=1, description="Size of a request's body under `/v1`, in MiB.")
    connection_limit: int = Field(
        default=2048, ge=1, description="Client connections at a time, of each process; one more is answered 503."
    )
    head_timeout_seconds: float = Field(default=10.0, gt=0, description="How long a request's head may take to arrive.")
    stall_timeout_seconds: float = Field(
        default=30.0, gt=0, description="How long a body may take for each 120 KiB, and an answer to be taken."
    )

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
        """The key for an engine of your own; the child process needs none, as only the gateway can reach it."""
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
    for old, new in _RENAMED.items():
        if f"POSTIL_{old}" in os.environ:
            raise SettingsError(f"POSTIL_{old} is now called POSTIL_{new}; rename it")
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
