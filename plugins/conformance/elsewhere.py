"""Makes a component in another process and has it judge there, as postil does with what is installed.

Run as ``python -m postil.plugins.conformance.elsewhere`` it is that process: a question comes in, an answer goes out.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from postil.plugins.conformance.promises import broken, shown
from postil.plugins.contract import Component

_START_SECONDS = 60.0
# Another seed than any that Python draws for this process: what depends on the order of a set is another there.
_SEEDS = ("1", "2")


def called_elsewhere(
    component: Component,
    method: str,
    calls: Sequence[tuple[Any, ...]],
    seconds: float,
    start_seconds: float = _START_SECONDS,
) -> list[list[Any]]:
    """What the same component, made in two other processes, returns to the same calls."""
    kind = type(component)
    values = component.config.model_dump()
    question = pickle.dumps((kind.__module__, kind.__qualname__, values, method, list(calls)))
    return [_asked(kind, question, seed, start_seconds + seconds * len(calls)) for seed in _SEEDS]


def _asked(kind: type[Component], question: bytes, seed: str, seconds: float) -> list[Any]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=question,
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        broken(kind.name, f"is not done in a process of its own within {seconds:g} s")
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        broken(kind.name, f"cannot be run in a process of its own ({shown(last)})")
    found: list[Any] = pickle.loads(done.stdout)  # noqa: S301 - from the child, which ran this file
    return found


def answer(module: str, qualname: str, values: Mapping[str, Any], method: str, calls: Sequence[Any]) -> list[Any]:
    """Make the component and call it."""
    component: Component = attrgetter(qualname)(importlib.import_module(module)).from_mapping(values)
    return [_one(component, method, arguments) for arguments in calls]


def _one(component: Component, method: str, arguments: tuple[Any, ...]) -> Any:
    result = getattr(component, method)(*arguments)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result


def main() -> None:
    """Answer one question. What the plugin prints goes where errors go."""
    out = os.dup(1)
    os.dup2(2, 1)
    reply = pickle.dumps(answer(*pickle.loads(sys.stdin.buffer.read())))  # noqa: S301 - from the parent
    with os.fdopen(out, "wb") as stream:
        stream.write(reply)


if __name__ == "__main__":
    main()
