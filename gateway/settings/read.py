"""Reads all settings once: from the environment (``POSTIL_*``), else from ``postil.toml``, else their defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from postil.gateway.errors import SettingsError
from postil.gateway.settings.console import ConsoleSettings
from postil.gateway.settings.engine import EngineSettings
from postil.gateway.settings.keeping import KeepingSettings
from postil.gateway.settings.processes import ProcessSettings
from postil.gateway.settings.releases import ReleaseSettings
from postil.gateway.settings.secret_names import MAY_HOLD_SECRETS, SECRETS, file_variable, variable
from postil.gateway.settings.server import ServerSettings
from postil.gateway.settings.tls import TlsSettings
from postil.gateway.settings.toml_file import TomlFile
from postil.gateway.settings.traffic import TrafficSettings
from postil.gateway.settings.training import TrainingSettings

# Names of an earlier version: left in the environment, they would be passed over in silence.
_RENAMED = {
    "LEAVE_SECONDS": "SHUTDOWN_DELAY_SECONDS",
    "DRAIN_SECONDS": "DRAIN_TIMEOUT_SECONDS",
    "ADAPTER_PATIENCE_SECONDS": "ADAPTER_WAIT_SECONDS",
    "QUEUE_SECONDS": "QUEUE_TIMEOUT_SECONDS",
    "MAX_IN_FLIGHT": "MAX_CONCURRENT_REQUESTS",
    "PLAIN_LORA": "DISABLE_LORA_KERNELS",
}

# Values that messages show.
_PLAIN = (str, int, float)
_WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name of a setting that was
_WEBHOOKS_NOW = (
    f"POSTIL_{_WEBHOOK_SECRET.upper()} is no setting any more, as each webhook has a secret of its own; leave it out,"
    " and add webhooks with `postil webhooks add NAME URL --domain DOMAIN`"
)


class Settings(
    ConsoleSettings,
    ReleaseSettings,
    KeepingSettings,
    TrainingSettings,
    ProcessSettings,
    TrafficSettings,
    EngineSettings,
    TlsSettings,
    ServerSettings,
):
    """All settings of a gateway, frozen."""

    model_config = SettingsConfigDict(
        env_prefix="POSTIL_", toml_file="postil.toml", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    @property
    def admin_address(self) -> str:
        """The address that the admin port listens on."""
        return self.admin_host or self.host

    @property
    def training(self) -> Path:
        """Where training files and jobs are kept."""
        return self.training_folder or self.home / "training"

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
        return init_settings, env_settings, TomlFile(settings_cls)


def read_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` wins where it is not None. Raises SettingsError in one sentence."""
    for old, new in _RENAMED.items():
        if f"POSTIL_{old}" in os.environ:
            raise SettingsError(f"POSTIL_{old} is now called POSTIL_{new}; rename it")
    for name in (f"POSTIL_{_WEBHOOK_SECRET.upper()}", f"POSTIL_{_WEBHOOK_SECRET.upper()}_FILE"):
        if name in os.environ:
            raise SettingsError(_WEBHOOKS_NOW)
    given |= {name: value for name, value in _from_files().items() if given.get(name) is None}
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"] == (_WEBHOOK_SECRET,):
            raise SettingsError(_WEBHOOKS_NOW) from error
        raise SettingsError(_sentence(first["loc"], first["input"], first["msg"], first["type"])) from error
    except SourceError as error:
        name = str(error).partition('"')[2].partition('"')[0]
        raise SettingsError(
            f'{variable(name)} is not JSON; write a list of texts as ["10.0.0.0/8"], and one of plugins as'
            ' [{"name": "event_log"}]'
        ) from error


def _from_files() -> dict[str, str]:
    """The secrets whose variable with ``_FILE`` names a file. Raises SettingsError."""
    found = {}
    for name in sorted(SECRETS):
        named, in_file = variable(name), file_variable(name)
        path = os.environ.get(in_file)
        if path is None:
            continue
        if named in os.environ:
            raise SettingsError(f"{named} and {in_file} are both set; leave one out")
        try:
            found[name] = Path(path).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"{in_file}={path!r} cannot be read ({reason}); name a file with the secret") from error
        if not found[name]:
            raise SettingsError(f"{in_file}={path!r} is empty; put the secret into it")
    return found


def _sentence(where: tuple[int | str, ...], value: object, says: str, kind: str) -> str:
    said = says.removeprefix("Value error, ")
    if not where:  # Of several settings together: the value would be all of them.
        return said
    name = "_".join(str(part) for part in where)
    # A name that nothing has may be a secret's, misspelt; and in what plugins are told, there may be one.
    hidden = where[0] in SECRETS | MAY_HOLD_SECRETS or kind == "extra_forbidden" or not isinstance(value, _PLAIN)
    return f"POSTIL_{name.upper()}{'' if hidden or len(where) > 1 else f'={value!r}'}: {said}"
