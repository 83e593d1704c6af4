"""Starts a process of installed plugins: command line, socket, log."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from postil.plugins import child_process
from postil.plugins.landlock import Sandbox

_WORKER = "postil.gateway.plugin_host.child.main"


class Spawned(NamedTuple):
    """A process, its socket, and a descriptor that becomes readable once it has ended."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    ended: int


def spawn(
    domain: str, logs: Path, memory: int, sandbox: Sandbox | None = None, *, nicer: int = child_process.NICER
) -> Spawned:
    """Start a process that may take so many bytes. What its plugins print goes to a log of the domain's.

    Raises OSError.

    The process ends with the thread that calls this (Linux sees to it), so that thread has to last.
    """
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as unless_all_is_well:
        unless_all_is_well.enter_context(ours)
        with open(_log(domain, logs), "ab") as log:
            arguments = [domain, str(theirs.fileno()), str(os.getpid()), str(memory)]
            confined = sandbox.within(_file_name(domain)) if sandbox else None
            process = child_process.start(_WORKER, arguments, theirs.fileno(), log.fileno(), confined, nicer)
        unless_all_is_well.callback(child_process.kill, process)
        spawned = Spawned(process, ours, os.pidfd_open(process.pid))
        unless_all_is_well.pop_all()
    ours.setblocking(False)
    return spawned


def _file_name(domain: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", domain)


def _log(domain: str, logs: Path) -> int:
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(
        logs / f"plugins-{_file_name(domain)}.log", os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
