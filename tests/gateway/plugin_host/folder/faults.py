"""A folder of plugins: one validator, one fallback rule, and every way to go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from postil.plugins import (
    AskAgain,
    Completion,
    Config,
    Fallback,
    FallbackRule,
    Outcome,
    RequestContext,
    Span,
    Substitute,
    Validator,
    Verdict,
    hookimpl,
)


class Text(str):
    __slots__ = ()


class Number:
    def __index__(self) -> int:
        return 3


class Hostile:
    """Every question that it is asked ends the one who asks."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


class UnnamedError(Exception):
    pass


UnnamedError.__name__ = "<b>not a name</b>"


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def raised(error: BaseException) -> Any:
    raise error


def spin() -> None:
    while True:
        pass


def keep_the_interpreter() -> None:
    """A regular expression that takes longer than the universe lasts, and lets nobody else have a turn."""
    print("it is kept")
    re.match(r"(a+)+$", "a" * 60 + "b")


def scribble() -> None:
    for descriptor in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\x00\x00\x00\x03abc")


def leave_a_child() -> Verdict:
    """A child of its own, that holds all that this process had open."""
    child = os.fork()
    if child == 0:
        while True:
            time.sleep(60)
    return Verdict.failed(str(child))


DOES: dict[str, Callable[[Completion], Any]] = {
    "pass": lambda said: Verdict.passed(notice="seen"),
    "fail": lambda said: Verdict.failed(f"it says {said.text}", [Span(0, 2)]),
    "fail with other types": lambda said: Verdict.failed(Text("why"), [Span(Number(), 4)]),  # type: ignore[arg-type]
    "tell the process": lambda said: Verdict.failed(str(os.getpid())),
    "tell the environment": lambda said: Verdict.failed(" ".join(os.environ)),
    "tell the modules": lambda said: Verdict.failed(" ".join(sys.modules)),
    "leave a child": lambda said: leave_a_child(),
    "raise": lambda said: raised(RuntimeError(said.text)),
    "raise without a name": lambda said: raised(UnnamedError()),
    "exit": lambda said: sys.exit("enough"),
    "interrupt": lambda said: raised(KeyboardInterrupt()),
    "recurse": lambda said: recurse(),
    "run out of memory": lambda said: bytearray(1 << 62),
    "return true": lambda said: True,
    "return the class": lambda said: Verdict,
    "return hostility": lambda said: Hostile(),
    "return a dictionary": lambda said: {"outcome": "passed"},
    "return a number for a reason": lambda said: Verdict.failed(3),  # type: ignore[arg-type]
    "return half a character": lambda said: Verdict.failed("\ud800"),
    "return no spans": lambda said: Verdict.failed("why", [object()]),  # type: ignore[list-item]
    "return an outcome of its own": lambda said: Verdict("fine"),  # type: ignore[arg-type]
    "return a substitute": lambda said: Fallback("instead"),
    "return a long reason": lambda said: Verdict.failed("x" * 1_000_000),
    "return nothing": lambda said: None,
    "sleep": lambda said: time.sleep(3600),
    "nap": lambda said: time.sleep(0.6) or Verdict.passed(),  # type: ignore[func-returns-value]
    "sleep for a while": lambda said: time.sleep(2.5) or Verdict.passed(),  # type: ignore[func-returns-value]
    "spin": lambda said: spin(),
    "keep the interpreter": lambda said: keep_the_interpreter(),
    "end the process": lambda said: os._exit(3),
    "crash": lambda said: ctypes.string_at(0),
    "close everything": lambda said: os.closerange(3, 100) or Verdict.passed(),  # type: ignore[func-returns-value]
    "scribble": lambda said: scribble() or time.sleep(3600),  # type: ignore[func-returns-value]
    "print": lambda said: print("a word") or Verdict.passed(),
    "print megabytes": lambda said: [print("x" * 99_999) for _ in range(50)] and Verdict.passed(),
}


class Does(Config):
    does: str = "pass"
    at_first: str = "nothing"


class Faulty(Validator):
    name = "faulty"
    Config = Does

    def __init__(self, config: Does) -> None:
        super().__init__(config)
        if config.at_first != "nothing":
            DOES[config.at_first](Completion(""))

    def judge(self, context: RequestContext, completion: Completion) -> Any:
        return DOES[self.config.does](completion)


class FaultyAwaited(Faulty):
    """The same in a coroutine: what blocks, blocks the loop."""

    name = "faulty-awaited"

    async def judge(self, context: RequestContext, completion: Completion) -> Any:
        await asyncio.sleep(0)
        return super().judge(context, completion)


class Waiting(Validator):
    name = "waiting"

    async def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        await asyncio.sleep(3600)
        return Verdict.passed()


class Spawning(Validator):
    """Leaves a task behind that ends whoever runs the loop."""

    name = "spawning"

    async def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        async def leave() -> None:
            sys.exit(1)

        self.kept = asyncio.create_task(leave())
        await asyncio.sleep(0.05)
        return Verdict.passed()


def made() -> type[Validator]:
    class Made(Validator):
        name = "made"

        def judge(self, context: RequestContext, completion: Completion) -> Verdict:
            return Verdict(Outcome.PASSED)

    return Made


class Again(FallbackRule):
    name = "again"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Substitute | None:
        return AskAgain("previous", {"temperature": 0.5}, verdicts[0].reason)


@hookimpl
def postil_validators() -> list[type[Validator]]:
    return [Faulty, FaultyAwaited, Waiting, Spawning, made()]


@hookimpl
def postil_fallback_rules() -> list[type[FallbackRule]]:
    return [Again]
