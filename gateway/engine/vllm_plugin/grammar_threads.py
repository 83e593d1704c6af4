"""vLLM compiles new grammars aside: in few threads that give way to the model and to grammars that are known.

By itself it has one queue, with one thread for two cores: while the schema of one client is compiled, which takes
seconds, everybody's label answers wait, though theirs was compiled before. Here choices (labels are such), and what was
compiled before, have threads of their own. New ones have the lowest priority, and the threads that the compiler starts
for them inherit it. The compiler holds no lock of Python's meanwhile.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from types import ModuleType
from typing import Any

MODULE = "vllm.v1.structured_output"
KNOWN_THREADS, NEW_THREADS = 4, 2
# So many of those that were compiled last are known: the compiler's own cache is a bounded one.
KEPT = 256
# vLLM makes choices, as labels are, into a grammar of texts and nothing else. Few bytes of them are compiled at once.
_TEXT = r'"(?:[^"\\\n]|\\.)*+"'
_CHOICES = re.compile(rf"root ::= {_TEXT}(?: \| {_TEXT})*+")
_MOST_BYTES = 8_000
_LOWEST_PRIORITY = 19


def give_way() -> None:
    """Give this thread the lowest priority; only Linux has priorities of threads."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


class GrammarThreads:
    """An executor in the place of vLLM's, which is given ``StructuredOutputManager._create_grammar`` and a request."""

    def __init__(self) -> None:
        self._known = ThreadPoolExecutor(KNOWN_THREADS, thread_name_prefix="grammar")
        self._new = ThreadPoolExecutor(NEW_THREADS, thread_name_prefix="new-grammar", initializer=give_way)
        self._compiled: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, compile_it: Callable[[Any], Any], request: Any) -> Future[Any]:
        """Have a request's grammar compiled, known ones beside all others."""
        kind, text = request.structured_output_request.structured_output_key
        key = sha256(f"{kind}\0{text}".encode(errors="surrogatepass")).digest()
        if self._is_known(key) or _is_of_choices(text):
            return self._known.submit(compile_it, request)
        return self._new.submit(self._compile_new, key, compile_it, request)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all threads; see ``ThreadPoolExecutor.shutdown``."""
        for threads in (self._known, self._new):
            threads.shutdown(wait, cancel_futures=cancel_futures)

    def _is_known(self, key: bytes) -> bool:
        with self._lock:
            if key not in self._compiled:
                return False
            self._compiled.move_to_end(key)
            return True

    def _compile_new(self, key: bytes, compile_it: Callable[[Any], Any], request: Any) -> Any:
        compiled = compile_it(request)
        with self._lock:
            self._compiled[key] = None
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        return compiled


def _is_of_choices(text: str) -> bool:
    return len(text.encode(errors="surrogatepass")) <= _MOST_BYTES and _CHOICES.fullmatch(text) is not None


def widen(module: ModuleType) -> None:
    """Give vLLM's manager of structured outputs, which is in that module, these threads."""
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
            self.executor = GrammarThreads()

    init.postil = True  # type: ignore[attr-defined]
    return init
