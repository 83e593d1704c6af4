"""The data folder, which one gateway holds at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from postil.gateway.errors import SettingsError


def hold(home: Path) -> int:
    """Hold the data folder: two gateways in one would each take the other's half-done publish for rubbish.

    It is held until the descriptor that is returned is closed, or the process ends. Raises SettingsError.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"another postil serves from {home}; stop it, or set POSTIL_HOME to another folder"
        ) from None
    return descriptor
