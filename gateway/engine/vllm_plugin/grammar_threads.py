"""vLLM compiles grammars in many threads that give way to the model.

By itself it has one thread for two cores: while the schema of one client is compiled, which takes seconds, everybody's
label answers wait, though theirs was compiled before. The compiler holds no lock of Python's, so more threads help.
They have the lowest priority, and the threads that the compiler starts inherit it: the model's work goes on.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import ModuleType
from typing import Any

MODULE = "vllm.v1.structured_output"
THREADS = 16
_LOWEST_PRIORITY = 19


def give_way() -> None:
    """Give this thread the lowest priority; only Linux has priorities of threads."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


def widen(module: ModuleType) -> None:
    """Give vLLM's manager of structured outputs, which is in that module, more threads."""
    manager = getattr(module, "StructuredOutputManager", None)
    if manager is None:
        # Whatever vLLM has become, it must start.
        logging.getLogger("vllm.postil").warning("one client's schema may hold up the label answers of others")
        return
    if not hasattr(manager.__init__, "postil"):
        manager.__init__ = _widened(manager.__init__)


def _widened(begin: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, *arguments: Any, **more: Any) -> None:
        begin(self, *arguments, **more)
        few = getattr(self, "executor", None)
        if few is not None:  # Without a tokenizer nothing is compiled.
            few.shutdown(wait=False)
            self.executor = ThreadPoolExecutor(THREADS, thread_name_prefix="grammar", initializer=give_way)

    init.postil = True  # type: ignore[attr-defined]
    return init
