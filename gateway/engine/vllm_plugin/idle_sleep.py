"""How vLLM's core and its worker wait for each other's messages on CPUs: in short naps, where vLLM spins.

For a second after each message a reader of vLLM's queue in shared memory looks again and again whether there is
another, with a ``sched_yield`` after each look. Beside a GPU that is right. On CPUs it takes the core that vLLM leaves
to its front end and to the gateway, and Linux 6.18 did worse with all the yielding: whatever was put on the worker's
core did not run again until the engine had nothing to do (deploy/decisions/0018).

vLLM's other way to wait, asleep until a message on a socket, is not used in its place: it loses wake-ups where
messages follow each other within milliseconds, and the reader then stands still for 5 s.
"""

from __future__ import annotations

import time
from types import ModuleType

# With the kernel's own 50 us of slack, a message is seen some 0.1 ms late, and a step takes tens of milliseconds.
NAP_SECONDS = 50e-6


def nap(queue: ModuleType) -> None:
    """Make ``queue``, vLLM's ``shm_broadcast``, nap where it yields. Raises AttributeError if it does not yield."""
    if not hasattr(queue, "sched_yield"):
        raise AttributeError(f"{queue.__name__} has no sched_yield")
    queue.sched_yield = _nap  # type: ignore[attr-defined]  # a module's attribute, which mypy cannot know


def _nap() -> None:
    time.sleep(NAP_SECONDS)
