"""Tries whether vLLM could compile a policy's constraint, and in time, before a release with it is made."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from postil.gateway.errors import BusyError
from postil.gateway.fair_slots import FairSlots, NoSlotError
from postil.plugins.child_process import environment
from postil.registry.errors import PolicyError

log = logging.getLogger(__name__)
_CHILD = "postil.gateway.engine.grammar_child"
_REFUSED, _NOT_TRIED = 3, 4
# Of the whole process, most of which goes into its imports.
_SECONDS = 300.0
# So many processes at a time, half of them for one domain: one publisher's constraints hold up nobody else's.
_PROCESSES = 2
_WAIT_SECONDS = 120.0


class GrammarTrial:
    """Compiles constraints in a process that is killed when it takes too long or too much memory.

    Without vLLM's compiler or the base's tokenizer on this machine nothing is tried: then only the bounds of
    ``check_publishable`` hold.
    ``command`` starts the process.
    """

    def __init__(self, command: Sequence[str] = (sys.executable, "-P", "-m", _CHILD), seconds: float = _SECONDS):
        self._command = command
        self._seconds = seconds
        self._slots = FairSlots(_PROCESSES)

    async def compile(
        self, constraint: Mapping[str, Any] | None, base: Path, domain: str = "", actor: str = ""
    ) -> None:
        """Try a constraint with the tokenizer of a base model. Choices are not tried: their bounds are enough.

        ``domain`` and ``actor`` are whose it is. Raises PolicyError if it is refused or takes too long, BusyError where
        too many of the domain's wait.
        """
        if constraint is None or "structural_tag" not in constraint or not _can_try(base):
            return
        status, said = await self._run_in_turn(json.dumps(constraint), base, domain, actor)
        if status == _REFUSED:
            raise PolicyError(f"policy: output: vLLM cannot compile it: {_plain(said)}")
        if status == _NOT_TRIED:
            log.warning("whether vLLM can compile the policy's output could not be tried: %s", _plain(said))
        elif status != 0:
            raise PolicyError("policy: output: vLLM would compile it for too long; make it simpler")

    async def _run_in_turn(self, constraint: str, base: Path, domain: str, actor: str) -> tuple[int, str]:
        try:
            await self._slots.take(domain, actor, _WAIT_SECONDS)
        except NoSlotError:
            raise BusyError("other policies of this domain are being compiled; try again in a minute") from None
        try:
            return await self._run(constraint, base)
        finally:
            self._slots.give(domain, actor)

    async def _run(self, constraint: str, base: Path) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(base),
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(os.environ) | {"HF_HUB_OFFLINE": "1"},
            start_new_session=True,  # uvloop knows no process groups.
        )
        try:
            async with asyncio.timeout(self._seconds):
                said, _ = await process.communicate(constraint.encode())
            return await process.wait(), said.decode(errors="replace")
        except TimeoutError:
            return -signal.SIGKILL, ""
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _can_try(base: Path) -> bool:
    return (base / "tokenizer.json").is_file() and find_spec("xgrammar") is not None


def _plain(said: str) -> str:
    """What xgrammar says, without the time and the line of its source, in one line."""
    return " ".join(re.sub(r"\[\d\d:\d\d:\d\d\] \S+: ?", "", said).split())[:300]
