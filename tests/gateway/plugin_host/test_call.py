"""One call with a deadline: at once, in a thread, awaited, or in another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from postil.gateway.plugin_host.call import Pending, call, result_of
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.plugins import Completion
from postil.plugins.contract import Component
from postil.plugins.cost import Cost
from postil.plugins.installed import SetUp, Source, info_of, stand_in
from tests.plugins.broken import good


class Elsewhere:
    """Another process that says how it was called."""

    async def call(self, *arguments: Any) -> Any:
        """See ``Isolation``."""
        return arguments

    async def check(self, *arguments: Any) -> Any:
        """See ``Isolation``."""
        return ("checked", *arguments)

    async def in_thread(self, domain: str, function: Any, arguments: tuple[Any, ...]) -> Any:
        """See ``Isolation``."""
        return await asyncio.to_thread(function, *arguments)


class Various(Component):
    """Every way for a method to be and to end."""

    name = "various"

    def thread(self) -> str:
        """A plain one."""
        return threading.current_thread().name

    def thread_of(self, completion: Completion) -> str:
        """One that is given a text."""
        return self.thread()

    async def awaited(self, seconds: float) -> float:
        """Takes so long."""
        await asyncio.sleep(seconds)
        return seconds

    def leave(self) -> None:
        """Ends the process."""
        raise SystemExit(3)

    async def late(self) -> None:
        """Has a deadline of its own."""
        raise TimeoutError

    def refuse(self) -> None:
        """Says itself why it did not run."""
        raise DidNotRunError("was not in the mood")


class Blocking(Various):
    """May keep the loop waiting."""

    blocking = True


def begun(method: str, *arguments: Any, seconds: float = 20.0, threaded: bool = False) -> Any:
    """What a call to one of the gateway's own components gives."""
    component = Various(None)
    return call(Elsewhere(), "legal", component, method, arguments, seconds, threaded=threaded)


async def why(method: str, *arguments: Any, **how: Any) -> str:
    """Why a call did not run."""
    with pytest.raises(DidNotRunError) as caught:
        await result_of(begun(method, *arguments, **how))
    return str(caught.value)


async def test_a_plain_method_is_called_at_once_and_here() -> None:
    assert begun("thread") == threading.current_thread().name


async def test_one_that_may_take_its_time_gets_a_thread() -> None:
    pending = begun("thread", threaded=True)
    assert isinstance(pending, Pending)
    assert await pending.result() != threading.current_thread().name


@pytest.mark.parametrize(("characters", "elsewhere"), [(100, False), (1000, True)])
async def test_what_may_take_long_by_its_cost_is_called_outside_the_gateway(characters: int, elsewhere: bool) -> None:
    component = Various(None)
    component.cost = Cost(ascii=10)
    found = call(Elsewhere(), "legal", component, "thread_of", (Completion("a" * characters),), 2.0)
    assert isinstance(found, Pending) == elsewhere
    said = await result_of(found)
    assert (said[0] == "checked") if elsewhere else (said == threading.current_thread().name)


async def test_what_blocks_is_called_outside_the_gateway_however_short_the_text() -> None:
    said = await result_of(call(Elsewhere(), "legal", Blocking(None), "thread", (), 2.0))
    assert said[0] == "checked"


async def test_a_coroutine_is_waited_for_until_its_deadline() -> None:
    assert await result_of(begun("awaited", 0.0)) == 0.0
    assert await why("awaited", 60.0, seconds=0.01) == "took longer than 10 ms"


@pytest.mark.parametrize(
    ("method", "reason"),
    [("leave", "raised SystemExit"), ("late", "raised TimeoutError"), ("refuse", "was not in the mood")],
)
@pytest.mark.parametrize("threaded", [True, False])
async def test_one_that_raises_did_not_run(method: str, reason: str, threaded: bool) -> None:
    assert await why(method, threaded=threaded) == reason


async def test_an_installed_component_is_called_in_the_process_of_its_domain() -> None:
    standing: Any = stand_in(info_of("validator", good.Good), Source("quiet"))
    component = standing({"word": "no"}, SetUp())
    said: Sequence[Any] = await result_of(call(Elsewhere(), "legal", component, "judge", ("a",), 2.0))
    assert said == ("legal", "validator", "good", {"word": "no"}, "judge", ("a",), 2.0)
