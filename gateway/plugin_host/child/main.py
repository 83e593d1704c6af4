"""The process in which a domain's installed plugins run: ``python -m postil.gateway.plugin_host.child.main``.

It hears in its main thread and works in others, so it can be asked as long as no plugin keeps the interpreter to
itself. It ends when the gateway does. Started by ``spawn`` with the domain's name, the descriptor of its socket, the
gateway's process id, and how many bytes it may take.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading

from postil.gateway.plugin_host import protocol as wire
from postil.gateway.plugin_host.child.dispatcher import Dispatcher
from postil.plugins.child_process import bound_memory, confine, end_with, keep_log_short

_SWITCH_SECONDS = 0.001


class Channel:
    """The socket to the gateway, usable from every thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._one_at_a_time = threading.Lock()

    @classmethod
    def open(cls, descriptor: int) -> Channel:
        """The way that the gateway has left open; what plugins start does not get it."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    def send(self, frame: bytes) -> None:
        """Send a message; a failure is ignored, because nobody is left to report it to."""
        try:
            with self._one_at_a_time:
                self._socket.sendall(frame)
        except OSError:
            end()

    def hear(self) -> bytes:
        """The next bytes that arrive; empty when the gateway has ended."""
        try:
            return self._socket.recv(1 << 16)
        except OSError:
            return b""


def main(arguments: list[str]) -> None:
    """Handle messages until the gateway ends."""
    _, channel_number, gateway, memory = arguments
    end_with(int(gateway))
    bound_memory(int(memory))
    confine()
    faulthandler.enable()
    # A plugin that computes gives way to its neighbours within a millisecond.
    sys.setswitchinterval(_SWITCH_SECONDS)
    threading.Thread(target=keep_log_short, args=(os.dup(1),), daemon=True).start()
    channel = Channel.open(int(channel_number))
    dispatcher = Dispatcher(channel.send)
    frames = wire.message_frames()
    channel.send(wire.reply(0, wire.HELLO))
    while data := channel.hear():
        for body in frames.feed(data):
            dispatcher.take(wire.read_message(body))
    end()


def end() -> None:
    """End this process and everything that its plugins started, at once."""
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
