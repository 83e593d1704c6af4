"""vLLM as a child process, behind a reaper, on a unix socket that only this user can reach."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from postil.gateway.engine.process.reaper import GRACE_SECONDS

_LOG_BYTES = 32 << 20
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class EngineProcess:
    """One run of vLLM. ``command`` and ``environment`` are what is run; its output goes to ``log``."""

    def __init__(self, command: list[str], environment: dict[str, str], socket: Path, log: Path) -> None:
        self._command = command
        self._environment = environment
        self._socket = socket
        self._log = log
        self._guard: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The reaper's process id while it runs."""
        return self._guard.pid if self._guard and self._guard.returncode is None else None

    async def start(self) -> None:
        """Start the engine; it becomes ready later."""
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._socket.parent.chmod(0o700)
        self._socket.unlink(missing_ok=True)
        with os.fdopen(os.open(self._log, _APPEND, 0o600), "ab") as log:
            self._guard = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "postil.gateway.engine.process.reaper",
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def close_door(self) -> None:
        """Allow only the gateway's own user to connect to the engine's socket."""
        self._socket.chmod(0o600)

    async def ended(self) -> None:
        """Return when the engine has ended; its own child processes may still be ending."""
        assert self._guard is not None, "start() comes first"
        assert self._guard.stdout is not None, "start() made the pipe"
        await self._guard.stdout.readline()

    async def wait(self) -> int:
        """Return the engine's exit status once it and all that it started have ended."""
        assert self._guard is not None, "start() comes first"
        status = await self._guard.wait()
        # If the guard itself was killed, its group is all that is left to end.
        try:
            os.killpg(self._guard.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return status

    async def stop(self) -> None:
        """End the engine and all that it started."""
        if self._guard is None:
            return
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            await asyncio.wait_for(self.wait(), GRACE_SECONDS + 10)
        except TimeoutError:
            self._guard.kill()
            await self.wait()

    def last_words(self) -> str:
        """The last error in the engine's log, if one stands near its end."""
        try:
            text = self._log.read_bytes()[-8192:].decode(errors="replace")
        except OSError:
            return ""
        found = [line.strip() for line in text.splitlines() if "Error" in line]
        return found[-1] if found else ""
