"""Listening sockets. The port is taken first, because a started engine is expensive to throw away."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

from postil.gateway.errors import SettingsError

_BACKLOG = 2048


def raise_file_limit() -> None:
    """Let this process and its children open as many files as the system allows: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen(host: str, port: int) -> socket.socket:
    """Listen exclusively. Raises SettingsError if the address is taken."""
    listener = _bound(host, port, shared=False)
    listener.listen(_BACKLOG)
    return listener


def share(host: str, port: int) -> socket.socket:
    """Listen together with other processes; the kernel distributes the connections."""
    listener = _bound(host, port, shared=True)
    listener.listen(_BACKLOG)
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """Reserve an address for ``share`` while this socket is open. Raises SettingsError."""
    with _bound(host, port, shared=False) as alone:  # Fails if another program has the port; a shared bind would not.
        port = alone.getsockname()[1]
    return _bound(host, port, shared=True)


def listen_inside(path: Path) -> socket.socket:
    """Listen at a unix socket, which only users with access to its folder can reach."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(_BACKLOG)
    return listener


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise SettingsError(
            f"cannot listen on {host}:{port} ({error.strerror or error}); stop what does, or choose another address"
            " with POSTIL_HOST or POSTIL_PORT"
        ) from error
    return taken
