"""Set up a component whose class is somebody else's: whatever its ``__init__`` does, whoever asked goes on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, TypeVar

from postil.plugins.contract import Component
from postil.plugins.errors import ConfigError

C = TypeVar("C", bound=Component)
SECONDS = 30.0


def make(component: type[C], values: Mapping[str, Any], *, seconds: float = SECONDS) -> C:
    """An instance with this configuration. Raises ConfigError in one sentence, after ``seconds`` at the latest.

    It is made in a thread of its own, which nobody waits for when the time is up: a thread cannot be ended, but it
    holds up neither the caller nor the end of the process.
    """
    made: list[C] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            made.append(component.from_mapping(values))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name=f"setting up {component.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if made:
        return made[0]
    if not failed:
        raise ConfigError(f"{component.name}: it was not set up within {seconds:g} s; mend or uninstall the plugin")
    if isinstance(failed[0], ConfigError):
        raise failed[0]
    raise ConfigError(f"{component.name}: it cannot be set up with this configuration ({failed[0]!r})") from failed[0]
