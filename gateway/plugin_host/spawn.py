"""How a process of installed plugins is started: its command line, its environment, its place in the machine."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

_WORKER = "postil.gateway.plugin_host.child.main"
# What foreign code may see of the gateway's environment; none of its secrets, unless one is meant for plugins.
_PASSED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HF_HOME",
        "PYTHONDONTWRITEBYTECODE",
    }
)
_PASSED_PREFIXES = ("OMP_", "MKL_", "OPENBLAS_", "POSTIL_PLUGIN_")
# Enough that a busy plugin leaves the cores to the gateway; the least would starve a quick one beside a busy engine.
_NICER = 10


class Spawned(NamedTuple):
    """A process, the socket to speak with it, and a descriptor that can be read once it has ended."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    ended: int


def spawn(domain: str, logs: Path, folder: Path | None) -> Spawned:
    """Start a process. What its plugins print goes to a log of the domain's. Raises OSError.

    The process ends with the thread that calls this (Linux sees to it), so that thread has to last.
    """
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as unless_all_is_well:
        unless_all_is_well.enter_context(ours)
        process = _started(theirs.fileno(), _log(domain, logs), domain, folder)
        unless_all_is_well.callback(process.wait)
        unless_all_is_well.callback(process.kill)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process.pid, min(own + _NICER, 19))
        spawned = Spawned(process, ours, os.pidfd_open(process.pid))
        unless_all_is_well.pop_all()
    ours.setblocking(False)
    return spawned


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What a process gets of ``given``, and the places where this one finds its modules."""
    kept = {name: text for name, text in given.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _started(channel: int, log: int, domain: str, folder: Path | None) -> subprocess.Popen[bytes]:
    places = [] if folder is None else [str(folder.resolve())]
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER, domain, str(channel), str(os.getpid()), *places],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(channel,),
            env=environment(os.environ),
            # A group of its own, so that it can be ended with all that it started. Not a session: where the kernel
            # shares the processor out among sessions first, a lower priority would mean nothing.
            process_group=0,
        )
    finally:
        os.close(log)


def _log(domain: str, logs: Path) -> int:
    logs.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", domain)
    return os.open(logs / f"plugins-{name}.log", os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
