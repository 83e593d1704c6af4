"""The data folder, which only one gateway may use at a time."""

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
    """Lock the data folder, because a second gateway would delete the first one's unfinished publishes.

    The lock lasts until the returned descriptor is closed or the process ends. Raises SettingsError.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    """Create a new folder with a short path, for sockets; ``lock`` comes from ``hold``.

    Its path is stored in the lock file, so that the next holder of the lock can delete what a crash left behind.
    """
    left = Path(os.fsdecode(os.pread(lock, _MAX_PATH, 0)))
    if left.parent == Path(tempfile.gettempdir()) and left.name.startswith(_PREFIX):
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(made), 0)
    return made
