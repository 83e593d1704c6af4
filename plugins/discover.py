"""A process that imports one installed plugin and sets its components up: ``python -m postil.plugins.discover``.

Started by ``discovery`` with the descriptor of its socket, its parent's process id, and how many bytes it may take.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postil.plugins.child_process import bound_memory, confine, end_with, keep_log_short
from postil.plugins.contract import Validator
from postil.plugins.errors import PluginError
from postil.plugins.installed import ComponentInfo, Order, Reply, SetUp, Source, info_of, window_of
from postil.plugins.loading import find, offered, text_of


def main(arguments: Sequence[str]) -> None:
    """Do what is asked for until nobody asks any more."""
    channel, parent, memory = (int(argument) for argument in arguments)
    end_with(parent)
    faulthandler.enable()
    bound_memory(memory)
    confine()
    os.set_inheritable(channel, False)
    threading.Thread(target=keep_log_short, args=(os.dup(1),), daemon=True).start()
    serve(socket.socket(fileno=channel))


def serve(channel: socket.socket) -> None:
    """Answer every order with a line of JSON, until the other side closes."""
    with channel, channel.makefile("rb") as orders:
        while True:
            try:
                order = pickle.load(orders)  # noqa: S301 - from the process that started this one
            except EOFError:
                return
            channel.sendall(msgspec.json.encode(answer(order)) + b"\n")


def answer(order: Order) -> Reply:
    """What comes of one order, whatever the plugin does."""
    try:
        if order.component is None:
            return Reply(components=_listed(order.source))
        return Reply(set_up=_set_up(order.source, order.component, order.values))
    except PluginError as error:
        return Reply(str(error))
    except BaseException as error:
        return Reply(_sentence(order, text_of(error)))


def _sentence(order: Order, reason: str) -> str:
    if order.component is None:
        return str(order.source.refusal(reason))
    return f"{order.component.name}: it cannot be set up with this configuration ({reason})"


def _listed(source: Source) -> list[ComponentInfo]:
    return [info_of(kind, each) for kind, components in offered(source).items() for each in components.values()]


def _set_up(source: Source, info: ComponentInfo, values: Mapping[str, Any]) -> SetUp:
    made = find(source, info.kind, info.name, (info.plugin, info.qualname)).from_mapping(values)
    return SetUp(window_of(made), bool(made.needs_tokens)) if isinstance(made, Validator) else SetUp()


if __name__ == "__main__":
    main(sys.argv[1:])
