"""Tries whether vLLM could compile a policy's constraint, and in time, before a release with it is made."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from postil.gateway.errors import BusyError
from postil.gateway.fair_slots import FairSlots, NoSlotError
from postil.plugins import child_process
from postil.registry.errors import PolicyError

log = logging.getLogger(__name__)
_CHILD = "postil.gateway.engine.grammar_child"
_COMPILER = "xgrammar"
_REFUSED, _NOT_TRIED = 3, 4
# It is waited for by a person, and gives way a little.
_NICER = 2
# Of the whole process, most of which goes into its imports.
_SECONDS = 300.0
# So many processes at a time, half of them for one domain: one publisher's constraints hold up nobody else's.
_PROCESSES = 2
_WAIT_SECONDS = 120.0


class GrammarTrial:
    """Compiles constraints in a process that is killed when it takes too long or too much memory.

    Without vLLM's compiler or the base's tokenizer on this machine nothing is tried: then only the bounds of
    ``check_publishable`` hold.
    ``module`` is what the process runs, and ``compiler`` what it needs.
    """

    def __init__(self, module: str = _CHILD, seconds: float = _SECONDS, compiler: str = _COMPILER) -> None:
        self._module = module
        self._seconds = seconds
        self._compiler = compiler
        self._slots = FairSlots(_PROCESSES)
        self._threads = ThreadPoolExecutor(_PROCESSES, "grammars")

    async def compile(
        self, constraint: Mapping[str, Any] | None, base: Path, domain: str = "", actor: str = ""
    ) -> None:
        """Try a constraint with the tokenizer of a base model. Choices are not tried: their bounds are enough.

        ``domain`` and ``actor`` are whose it is. Raises PolicyError if it is refused or takes too long, BusyError where
        too many of the domain's wait.
        """
        if constraint is None or "structural_tag" not in constraint or not self._can_try(base):
            return
        ended = await self._run_in_turn(json.dumps(constraint), base, domain, actor)
        if ended.status == _NOT_TRIED:
            log.warning("whether vLLM can compile the policy's output could not be tried: %s", _plain(ended.said))
        elif ended.status != 0:
            raise PolicyError(f"policy: output: {_reason(ended)}")

    async def _run_in_turn(self, constraint: str, base: Path, domain: str, actor: str) -> _Ended:
        try:
            await self._slots.take(domain, actor, _WAIT_SECONDS)
        except NoSlotError:
            raise BusyError("other policies of this domain are being compiled; try again in a minute") from None
        try:
            return await self._run(constraint, base)
        finally:
            self._slots.give(domain, actor)

    async def _run(self, constraint: str, base: Path) -> _Ended:
        trial = _Process(self._module, base, self._seconds)
        running = asyncio.get_running_loop().run_in_executor(self._threads, trial.run, constraint.encode())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            trial.end()
            await asyncio.wait([running])
            raise
        except OSError as error:
            raise BusyError(f"its compiler cannot be started ({error.strerror}); try again in a minute") from error

    def _can_try(self, base: Path) -> bool:
        return (base / "tokenizer.json").is_file() and find_spec(self._compiler) is not None


class _Ended(NamedTuple):
    """How a process ended: its status, None where its time was over; and what it said."""

    status: int | None
    said: str = ""
    errors: str = ""


class _Process:
    """One process, in the thread that starts it: it ends with that."""

    def __init__(self, module: str, base: Path, seconds: float) -> None:
        self._arguments = module, [str(base), str(os.getpid())]
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False

    def run(self, constraint: bytes) -> _Ended:
        """Give it a constraint, and wait for its end, which comes in any case. Raises OSError if it does not start."""
        with self._lock:
            if self._unwanted:
                return _Ended(None)
            self._process = process = self._start()
        with process:
            try:
                said, errors = process.communicate(constraint, self._seconds)
                return _Ended(process.returncode, said.decode(errors="replace"), errors.decode(errors="replace"))
            except subprocess.TimeoutExpired:
                return _Ended(None)
            finally:
                child_process.kill(process)

    def _start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return child_process.start(*self._arguments, None, pipe, nicer=_NICER, given=pipe, errors=pipe)

    def end(self) -> None:
        """End it, or have it not started; from another thread."""
        with self._lock:
            self._unwanted = True
            if self._process is not None and self._process.poll() is None:
                child_process.kill(self._process)


def _reason(ended: _Ended) -> str:
    """What is wrong with a constraint whose process ended so."""
    if ended.status is None or ended.status == -signal.SIGXCPU:
        return "vLLM would compile it for too long; make it simpler"
    if ended.status == _REFUSED:
        return f"vLLM cannot compile it: {_plain(ended.said)}"
    if ended.status == -signal.SIGKILL:
        return "its compiler was killed, as where a machine has no memory left; make it simpler, or try again later"
    how = f"signal {-ended.status}" if ended.status < 0 else f"status {ended.status}"
    log.error("the compiler of a policy's output ended with %s: %s", how, ended.errors[-2000:])
    return f"its compiler ended with {how}, and so might vLLM; make it simpler, or see the gateway's log"


def _plain(said: str) -> str:
    """What xgrammar says, without the time and the line of its source, in one line."""
    return " ".join(re.sub(r"\[\d\d:\d\d:\d\d\] \S+: ?", "", said).split())[:300]
