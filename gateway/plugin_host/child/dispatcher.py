"""In the plugins' process: sets components up and calls them in threads."""

from __future__ import annotations

import inspect
import pickle
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from postil.gateway.plugin_host import protocol as wire
from postil.gateway.plugin_host.child.loader import find_component
from postil.plugins.contract import Component

if TYPE_CHECKING:
    from postil.gateway.plugin_host.child.event_loop import Coroutines

_THREADS = 8


class Dispatcher:
    """Handles each message in a thread, and sends its result by ``send``."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._components: dict[int, Component] = {}
        self._threads = ThreadPoolExecutor(_THREADS)

    def take(self, message: wire.Message) -> None:
        """Start handling a message, and return at once."""
        match message:
            case wire.Prepare():
                self._threads.submit(self._prepare, message)
            case wire.CallMethod():
                # Looked up here: by the time it has its turn, the component may have been dropped.
                self._threads.submit(self._call, message, self._components[message.number])
            case wire.Drop():
                self._components.pop(message.number, None)
            case wire.Ping():
                self._send(wire.reply(0, wire.PONG))

    def _prepare(self, message: wire.Prepare) -> None:
        needed = message.needed
        try:
            config = pickle.loads(needed.config)  # noqa: S301 - from the gateway
            self._components[message.number] = find_component(needed).from_mapping(config)
            frame = wire.reply(message.id, wire.READY)
        except BaseException as error:
            note(f"{needed.name} cannot be set up", error)
            frame = wire.reply(message.id, wire.UNFIT, f"{name_of(error)}: {_said(error)}")
        self._send(frame)

    def _call(self, call: wire.CallMethod, component: Component) -> None:
        try:
            if time.monotonic() >= call.due:
                frame = wire.reply(call.id, wire.LATE)
            else:
                result = getattr(component, call.method)(*pickle.loads(call.arguments))  # noqa: S301 - as above
                if inspect.isawaitable(result):
                    self._coroutines.run(self._awaited(call, component, result))
                    return
                frame = _answer(call, result)
        except BaseException as error:
            frame = _raised(call, component, error)
        self._send(frame)

    async def _awaited(self, call: wire.CallMethod, component: Component, result: Awaitable[object]) -> None:
        try:
            frame = _answer(call, await self._coroutines.until(call.due, result))
        except self._coroutines.TooLateError:
            frame = wire.reply(call.id, wire.LATE)
        except BaseException as error:
            frame = _raised(call, component, error)
        self._send(frame)

    @cached_property
    def _coroutines(self) -> Coroutines:
        """The event loop for coroutines, started with the first one to save memory."""
        from postil.gateway.plugin_host.child.event_loop import Coroutines

        return Coroutines.start()


def name_of(found: object) -> str:
    """The name of an object's type, even if a plugin has overwritten it."""
    with suppress(BaseException):
        name = type(found).__name__
        if isinstance(name, str) and name.isidentifier() and len(name) <= 60:
            return str(name)
    return "something"


def note(what: str, error: BaseException) -> None:
    """Print the place of an error without its text, which may quote an answer."""
    with suppress(BaseException):
        print(f"{what}: {name_of(error)}", file=sys.stderr)
        traceback.print_tb(error.__traceback__, limit=-20)


def _answer(call: wire.CallMethod, result: object) -> bytes:
    what = wire.kind_of(result)
    return wire.answer(call.id, what, result) if what else wire.reply(call.id, wire.RUBBISH, name_of(result))


def _raised(call: wire.CallMethod, component: Component, error: BaseException) -> bytes:
    note(f"{component.name} raised", error)
    return wire.reply(call.id, wire.RAISED, name_of(error))


def _said(error: BaseException) -> str:
    with suppress(BaseException):
        return str(error)[:400]
    return ""
