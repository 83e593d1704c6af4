"""``event_log``: everything that is done, as a line of JSON in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import field_validator

from postil.plugins.contract import Config, Listener
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import as_json
from postil.plugins.types import Notification


class EventLogConfig(Config):
    """``path``: the file, which is made if it is not there; its folder has to be."""

    path: Path

    @field_validator("path")
    @classmethod
    def _is_a_file(cls, path: Path) -> Path:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file in it")
        return path


class EventLog(Listener):
    """Appends, and never reads or rotates: the file may be moved away at any time.

    It is for other programs to follow. What is to be relied on is the audit log: this one misses an event that cannot
    be written, and may hold one twice.
    """

    name = "event_log"
    Config = EventLogConfig

    def __init__(self, config: EventLogConfig) -> None:
        super().__init__(config)
        if not config.path.parent.is_dir():
            raise ConfigError(f"event_log: {config.path.parent} is not a folder; make it, or name another path")

    def handle(self, notification: Notification) -> None:
        """Write the line at once, whole, so that many gateways can share a file."""
        file = os.open(self.config.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(file, f"{as_json(notification)}\n".encode())
        finally:
            os.close(file)


@hookimpl
def postil_listeners() -> Sequence[type[Listener]]:
    """Offer ``event_log``."""
    return [EventLog]
