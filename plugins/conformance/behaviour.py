"""What holds for every component: the same call has the same result, whenever, wherever and beside whatever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from postil.plugins.conformance.calling import Arguments, Caller
from postil.plugins.conformance.elsewhere import called_elsewhere
from postil.plugins.conformance.promises import BrokenPromiseError, broken, shown, told
from postil.plugins.contract import Component

Read = Callable[[Any, Arguments], Any]


class Behaviour:
    """One method of one component. ``read`` looks at what it returned and makes it plain."""

    def __init__(self, component: Component, method: str, seconds: float, read: Read) -> None:
        self.caller = Caller(component.name, method, seconds)
        self._component = component
        self._method = method
        self._seconds = seconds
        self._read = read

    def results(self, calls: Sequence[Arguments]) -> list[Any]:
        """What it returns to each call, each within the deadline and its arguments untouched."""
        return [self._read(self.caller.call(self._component, call), call) for call in calls]

    def check(self, calls: Sequence[Arguments], results: Sequence[Any]) -> None:
        """Ask all of it again in other ways; each has to give the same results."""
        again = [self.caller.call(self._component, call) for call in reversed(calls)]
        self._same(calls, results, again[::-1], "asked again")
        if calls:
            for found in self.caller.at_once(self._component, calls):
                self._same(calls, results, found, "in several threads at once")
        for found in called_elsewhere(self._component, self._method, calls, self._seconds):
            self._same(calls, results, found, "in a process of its own")

    def _same(self, calls: Sequence[Arguments], before: Sequence[Any], after: Sequence[Any], how: str) -> None:
        for call, one, other in zip(calls, before, after, strict=True):
            if self._plain(other, call) != one:
                broken(
                    self.caller.name,
                    f"returns {shown(one)} and, {how}, {shown(other)} for {shown(told(call))};"
                    " what it returns may depend on its arguments and its configuration alone",
                )

    def _plain(self, result: Any, call: Arguments) -> Any:
        """The result, plain. One that is no result for this call differs from the first, which was one."""
        try:
            return self._read(result, call)
        except BrokenPromiseError as error:
            return error
