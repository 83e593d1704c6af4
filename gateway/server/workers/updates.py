"""Updates that every worker gets, and the first one with its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postil.gateway.control.inside_keys import InsideKeys
from postil.gateway.settings import Settings
from postil.gateway.settings.secret_names import MAY_HOLD_SECRETS, PREFIX, SECRETS
from postil.plugins.landlock import Sandbox
from postil.plugins.manager import Found

START, SERVE, ADAPTERS, CALLERS, ENGINE, DRAINING, END, LOOK = (
    "start",
    "serve",
    "adapters",
    "callers",
    "engine",
    "draining",
    "end",
    "look",
)
# A worker reads untrusted requests, so it gets none of these; whether the engine is somebody else's, it has to know.
_KEPT_BACK = (SECRETS | MAY_HOLD_SECRETS | {"gates", "listeners"}) - {"engine_url"}
_OF_PLUGINS = "POSTIL_PLUGIN_"


class Start(NamedTuple):
    """What a worker needs first.

    ``address`` is where it listens, ``front`` the socket at which the primary answers forwarded requests, ``keys``
    what it shows there and at the engine, ``sandbox`` that of its plugins, which names secrets' files that a worker
    knows nothing of, and ``plugins`` the installed plugins that the primary found.
    """

    settings: Settings
    address: tuple[str, int]
    engine: str
    front: str
    keys: InsideKeys
    sandbox: Sandbox | None
    plugins: Sequence[Found] = ()


def without_secrets(settings: Settings) -> Settings:
    """Return the settings without secrets; gates and listeners run only in the primary."""
    empty = {name: Settings.model_fields[name].default for name in _KEPT_BACK}
    return settings.model_copy(update=empty)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a worker: of postil's variables, only those for plugins."""
    return {name: text for name, text in given.items() if name.startswith(_OF_PLUGINS) or not name.startswith(PREFIX)}
