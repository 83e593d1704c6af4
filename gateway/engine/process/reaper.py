"""Runs between the gateway and the engine: ``python -m postil.gateway.engine.process.reaper COMMAND...``.

However the gateway ends, its end of this process's standard input closes; however the engine ends, this process
is its parent. In either case everything that the engine started is ended too, and nobody is left behind. Standard
output says one word, at the moment when the engine itself has ended; what the engine says goes to standard error.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

_PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 8.0


def main(command: list[str]) -> int:
    """Run ``command`` until it ends or standard input closes; returns its exit status."""
    _adopt_orphans()
    os.umask(0o077)  # The engine's socket, and all that it writes, are its owner's alone.
    # Stopping is asked for by closing standard input, so that it happens in one way only.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_default_signals,  # noqa: PLW1509 - no threads
    )
    ended_by_itself = _wait_for_either(child)
    if ended_by_itself:
        _say_ended()
    # What an engine that died has left has nothing to finish, and holds up the next one.
    _end_descendants(grace=0.0 if ended_by_itself else GRACE_SECONDS)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _wait_for_either(child: subprocess.Popen[bytes]) -> bool:
    """Return True when the child has ended, False when standard input has closed."""
    ended = os.pidfd_open(child.pid)
    while True:
        ready, _, _ = select.select([ended, sys.stdin.fileno()], [], [])
        if ended in ready:
            return True
        if not os.read(sys.stdin.fileno(), 1):
            return False


def _say_ended() -> None:
    try:
        os.write(sys.stdout.fileno(), b"ended\n")
    except OSError:
        pass  # The gateway is gone too.


def _end_descendants(grace: float) -> None:
    """Terminate all descendants, wait, then kill; repeated, because one that ends may still start others."""
    deadline = time.monotonic() + grace
    asked = False
    while living := _descendants():
        insist = time.monotonic() >= deadline
        for process in living:
            if not asked or insist:
                _signal(process, signal.SIGKILL if insist else signal.SIGTERM)
        asked = True
        psutil.wait_procs(living, timeout=0.5)


def _descendants() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def _adopt_orphans() -> None:
    """Whatever the engine's processes leave behind becomes a child of this one (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
