"""Calls a component as postil does: plain functions and coroutines, against a deadline, from many threads."""

from __future__ import annotations

import asyncio
import copy
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from postil.plugins.conformance.promises import BrokenPromiseError, broken, shown, told
from postil.plugins.contract import Component

Arguments = tuple[Any, ...]
_THREADS = 8
# A machine that is busy with other things makes a call late once, but not so many times in a row.
_TRIES = 3
_PATIENCE = 10
# Work that makes many calls may take so many times as long as one.
_MANY = 60
# Threads change places so often that what one leaves lying about, another finds.
_SWITCH_SECONDS = 1e-6


class Caller:
    """Calls one method of components of one class; what goes wrong is told as a broken promise."""

    def __init__(self, name: str, method: str, seconds: float) -> None:
        self.name = name
        self._method = method
        self._seconds = seconds

    def call(self, component: Component, arguments: Arguments) -> Any:
        """What the method returns, within the deadline, its arguments as they were before."""
        before = copy.deepcopy(arguments)
        for _ in range(_TRIES):
            running = _Running(lambda: [self._run(component, arguments)])
            if not running.ended.wait(self._seconds * _PATIENCE):
                break
            result = self._result(running, arguments, 0)[0]
            if arguments != before:
                broken(self.name, f"changes what it is given: {self._method} was called with {shown(before)}")
            if running.took <= self._seconds:
                return result
        return self._late(arguments, self._seconds)

    def each(self, work: Callable[[], None], about: object) -> None:
        """Do work that makes many calls with ``here``: in a thread that nobody waits for if one of them hangs."""

        def working() -> list[Any]:
            work()
            return []

        self._result(_Running(working), about, self._seconds * _MANY)

    def here(self, component: Component, arguments: Arguments) -> Any:
        """What the method returns, in this thread."""
        return self._run(component, arguments)

    def at_once(self, component: Component, calls: Sequence[Arguments]) -> list[list[Any]]:
        """What it returns to the same calls in each of several threads that run at the same time."""
        start = threading.Barrier(_THREADS)

        def work(number: int) -> list[Any]:
            turned = [*calls[number % len(calls) :], *calls[: number % len(calls)]]
            start.wait()
            results = self._together(component, turned)
            back = len(calls) - number % len(calls)
            return [*results[back:], *results[:back]]

        with _hasty():
            running = [_Running(partial(work, number)) for number in range(_THREADS)]
            return [self._result(each, calls, self._seconds * _THREADS * 10) for each in running]

    def _together(self, component: Component, calls: Sequence[Arguments]) -> list[Any]:
        """Coroutines share a loop, and each may run while another waits."""
        if not inspect.iscoroutinefunction(getattr(component, self._method)):
            return [self._run(component, each) for each in calls]

        async def gathered() -> list[Any]:
            return await asyncio.gather(*(getattr(component, self._method)(*each) for each in calls))

        return asyncio.run(gathered())

    def _run(self, component: Component, arguments: Arguments) -> Any:
        try:
            result = getattr(component, self._method)(*arguments)
            return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result
        except BaseException as error:
            raise _RaisedError(arguments) from error

    def _result(self, running: _Running, arguments: object, seconds: float) -> list[Any]:
        if not running.ended.wait(seconds):
            self._late(arguments, seconds)
        if isinstance(running.error, BrokenPromiseError):
            raise running.error
        if isinstance(running.error, _RaisedError):
            self._raised(running.error.__cause__, running.error.arguments)
        if running.error is not None:
            self._raised(running.error, arguments)
        return running.results

    def _late(self, arguments: object, seconds: float) -> NoReturn:
        broken(self.name, f"takes longer than {seconds:g} s for {self._method} of {shown(told(arguments))}")

    def _raised(self, error: BaseException | None, arguments: object) -> NoReturn:
        broken(
            self.name,
            f"raises {type(error).__name__} ({shown(str(error))}) in {self._method} of {shown(told(arguments))},"
            " so it did not run; say in what it returns what is wrong",
        )


class _RaisedError(Exception):
    """A call with these arguments raised its cause."""

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        self.arguments = arguments


class _Running:
    """A function in a thread of its own, which nobody has to wait for."""

    def __init__(self, function: Callable[[], list[Any]]) -> None:
        self.ended = threading.Event()
        self.results: list[Any] = []
        self.error: BaseException | None = None
        self.took = 0.0
        self._function = function
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        began = time.monotonic()
        try:
            self.results = self._function()
        except BaseException as error:
            self.error = error
        self.took = time.monotonic() - began
        self.ended.set()


async def _awaited(result: Any) -> Any:
    return await result


@contextmanager
def _hasty() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
