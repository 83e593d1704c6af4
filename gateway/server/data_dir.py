"""The data folder, which one gateway holds at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from postil.gateway.errors import SettingsError

_PREFIX = "postil-"
_MAX_PATH = 4096


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


def run_folder(lock: int) -> Path:
    """A new folder for sockets, whose paths have to be short; ``lock`` comes from ``hold``.

    It is noted in the lock's file: whoever holds that next knows that what is left of it is nobody's any more.
    """
    left = Path(os.fsdecode(os.pread(lock, _MAX_PATH, 0)))
    if left.parent == Path(tempfile.gettempdir()) and left.name.startswith(_PREFIX):
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(made), 0)
    return made
