"""The process in which a domain's installed plugins run: ``python -m postil.gateway.plugin_host.child.main``.

It hears in its main thread and works in others, so it can be asked as long as no plugin keeps the interpreter to
itself. It ends when the gateway does. Started by ``spawn`` with the domain's name, the descriptor of its socket, the
gateway's process id and, if there is one, the folder of plugins.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from postil.gateway.plugin_host import protocol as wire
from postil.gateway.plugin_host.child.dispatcher import Dispatcher

_PR_SET_PDEATHSIG = 1
_LOG_BYTES, _LOG_KEPT = 1 << 20, 64 << 10
_LOG_SECONDS = 0.2
_SWITCH_SECONDS = 0.001


class Channel:
    """The way to the gateway, for every thread."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._one_at_a_time = threading.Lock()

    def send(self, frame: bytes) -> None:
        """Say something; there is nobody to be told that it cannot be said."""
        try:
            with self._one_at_a_time:
                self._socket.sendall(frame)
        except OSError:
            end()

    def hear(self) -> bytes:
        """What arrives next; empty when the gateway has gone."""
        try:
            return self._socket.recv(1 << 16)
        except OSError:
            return b""


def main(arguments: list[str]) -> None:
    """Work until the gateway goes."""
    _, channel_number, gateway, *folder = arguments
    _end_with(int(gateway))
    faulthandler.enable()
    # A plugin that computes gives way to its neighbours within a millisecond.
    sys.setswitchinterval(_SWITCH_SECONDS)
    threading.Thread(target=_keep_log_short, args=(os.dup(1),), daemon=True).start()
    channel = Channel(int(channel_number))
    dispatcher = Dispatcher(channel.send, Path(folder[0]) if folder else None)
    frames = wire.message_frames()
    channel.send(wire.reply(0, wire.HELLO))
    while data := channel.hear():
        for body in frames.feed(data):
            dispatcher.take(wire.read_message(body))
    end()


def end() -> None:
    """End this process and what its plugins have started, at once: they may not hold it up."""
    os.killpg(0, signal.SIGKILL)


def _end_with(gateway: int) -> None:
    """Have the kernel end this process with the gateway: one that is held up would not notice (Linux)."""
    # If there is something to cast away, a plugin that eats the memory is.
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        pass
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != gateway:
        sys.exit("the gateway has gone")


def _keep_log_short(log: int) -> None:
    """Of what plugins print, keep the end."""
    while True:
        size = os.fstat(log).st_size
        if size > _LOG_BYTES:
            kept = os.pread(log, _LOG_KEPT, size - _LOG_KEPT)
            os.ftruncate(log, 0)
            os.write(log, b"(what came before was dropped)\n" + kept)
        time.sleep(_LOG_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
