"""The one way to call a component with a deadline, wherever it runs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeGuard

from postil.gateway.plugin_host.ports import DidNotRunError, Isolation
from postil.plugins.contract import Component
from postil.plugins.cost import takes_longer
from postil.plugins.installed import InstalledComponent

# What one call may take of the loop's time, so that nothing else is noticeably late.
AT_ONCE_SECONDS = 0.004


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that has to be awaited and has not begun."""

    made: Callable[[], Awaitable[Any]]

    async def result(self) -> Any:
        """What the method returns. Raises DidNotRunError."""
        try:
            return await self.made()
        except DidNotRunError:
            raise
        except (Exception, SystemExit) as error:
            raise DidNotRunError(f"raised {type(error).__name__}") from error


def call(
    isolation: Isolation,
    domain: str,
    component: Component,
    method: str,
    arguments: tuple[Any, ...],
    seconds: float,
    *,
    threaded: bool = False,
    at_once_seconds: float = AT_ONCE_SECONDS,
) -> Any:
    """What a component's method returns, or a Pending to wait for. Raises DidNotRunError.

    A plain function of postil's own is called at once: a task and a timer would cost more than it does. It gets a
    thread if it is ``threaded``, and a process that can be killed if it may take longer than ``at_once_seconds`` by its
    ``cost``. An installed component is called in the process of ``domain``.
    """
    if component.stands_in:  # To ask an abstract class for an instance costs more than all the rest of this.
        assert isinstance(component, InstalledComponent), "no other class stands for one"
        info = component.info
        return Pending(
            partial(isolation.call, domain, info.kind, info.name, component.config, method, arguments, seconds)
        )
    function = getattr(component, method)
    if _is_awaited(function):
        return Pending(partial(in_time, partial(function, *arguments), seconds))
    if threaded:
        return Pending(partial(in_time, partial(isolation.in_thread, domain, function, arguments), seconds))
    if component.blocking or takes_longer(component.cost, arguments[-1] if arguments else None, at_once_seconds):
        return Pending(partial(isolation.check, domain, component, method, arguments, seconds))
    try:
        return function(*arguments)
    except DidNotRunError:
        raise
    except (Exception, SystemExit) as error:
        raise DidNotRunError(f"raised {type(error).__name__}") from error


async def result_of(found: Any) -> Any:
    """The result of ``call``, awaited if it is a Pending. Raises DidNotRunError."""
    return await found.result() if isinstance(found, Pending) else found


def _is_awaited(function: Callable[..., Any]) -> TypeGuard[Callable[..., Awaitable[Any]]]:
    """Whether a method is asynchronous; cached, because it is asked for each validator and token."""
    method = getattr(function, "__func__", None)
    return inspect.iscoroutinefunction(function) if method is None else _is_coroutine_function(method)


_is_coroutine_function = lru_cache(maxsize=1024)(inspect.iscoroutinefunction)


async def in_time(made: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    """What is awaited, within so many seconds. Raises DidNotRunError."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await made()
    except TimeoutError:
        if not limit.expired():
            raise
        raise DidNotRunError(f"took longer than {seconds * 1000:.0f} ms") from None
