"""What every worker is told, and the first thing that it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postil.gateway.settings import Settings
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
# A worker reads what strangers send, and has no use for what opens other doors.
_SECRETS = ("database_url", "webhook_secret", "engine_args")
_OF_PLUGINS = "POSTIL_PLUGIN_"


class Start(NamedTuple):
    """What a worker has to know before anything else.

    ``address`` is where it listens, ``front`` the socket at which the primary answers what a worker does not,
    ``plugins`` what the primary found of those that are installed.
    """

    settings: Settings
    address: tuple[str, int]
    engine: str
    front: str
    plugins: Sequence[Found] = ()


def without_secrets(settings: Settings) -> Settings:
    """The settings for a worker; gates and listeners are the primary's affair, too."""
    empty = {name: Settings.model_fields[name].default for name in (*_SECRETS, "gates", "listeners")}
    return settings.model_copy(update=empty)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for a worker: of postil's variables, those alone that are meant for plugins."""
    return {
        name: text for name, text in given.items() if name.startswith(_OF_PLUGINS) or not name.startswith("POSTIL_")
    }
