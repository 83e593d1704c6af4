"""Ask installed plugins what they offer, and set their components up, in child processes.

Whatever a plugin does there (end its process, hang, eat memory, print) is a sentence here. Each plugin has a process of
its own, kept a little while for the next question; what it says is data, read by the types it has to have.
"""

from __future__ import annotations

import os
import pickle
import queue
import select
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from postil.plugins import child_process
from postil.plugins.errors import ConfigError, PluginLoadError
from postil.plugins.installed import ComponentInfo, InstalledComponent, Order, Reply, SetUp, Source
from postil.plugins.landlock import Sandbox

_MODULE = "postil.plugins.discover"
# So many plugins are imported at the same time.
_AT_ONCE = 8
# So long what a component said of itself is taken to be true still: publishing a release sets it up twice.
_KNOWN_SECONDS = 30.0
# No domain can be called so.
_LOG = "plugins-_setup.log"
# What a plugin offers, or why it cannot be loaded.
Listed = Sequence[ComponentInfo] | PluginLoadError


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a plugin may take to be imported, and a component to be set up; how much memory, how long an answer.

    For ``kept_seconds`` a process waits for the next question.
    """

    import_seconds: float = 20.0
    set_up_seconds: float = 30.0
    memory_bytes: int = 4 << 30
    answer_bytes: int = 1 << 20
    kept_seconds: float = 5.0


class Discovery:
    """Asks installed plugins. What they print goes to a file in the folder ``logs``, if there is one."""

    def __init__(self, logs: Path | None = None, bounds: Bounds | None = None, sandbox: Sandbox | None = None) -> None:
        self._logs = logs
        self._sandbox = sandbox
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._idle: dict[Source, list[_Questions]] = {}
        self._known: dict[bytes, tuple[float, SetUp]] = {}

    def list_components(self, sources: Sequence[Source]) -> list[tuple[Source, Listed]]:
        """What each plugin offers, or why it cannot be loaded; they are asked side by side."""
        found: list[tuple[Source, Listed]] = []
        seconds = self._bounds.import_seconds
        for at in range(0, len(sources), _AT_ONCE):
            some = sources[at : at + _AT_ONCE]
            asked = [self._ask(Order(source), seconds) for source in some]
            found += [(source, _listed(source, each, seconds)) for source, each in zip(some, asked, strict=True)]
        return found

    def set_up(self, component: type[InstalledComponent], values: Mapping[str, Any]) -> SetUp:
        """What a component says of itself with this configuration. Raises ConfigError in one sentence."""
        order = Order(component.source, component.info, dict(values))
        key = pickle.dumps((component.source, component.name, component.info.kind, order.values))
        at, known = self._known.get(key, (0.0, SetUp()))
        if time.monotonic() < at + _KNOWN_SECONDS:
            return known
        made = self._set_up(order)
        now = time.monotonic()
        fresh = {key: each for key, each in list(self._known.items()) if now < each[0] + _KNOWN_SECONDS}
        self._known = fresh | {key: (now, made)}
        return made

    def _set_up(self, order: Order) -> SetUp:
        assert order.component is not None, "a component is set up"
        name = order.component.name
        try:
            reply = self._ask(order, self._bounds.set_up_seconds).result()
        except TimeoutError:
            seconds = f"{self._bounds.set_up_seconds:g} s"
            raise ConfigError(f"{name}: it was not set up within {seconds}; mend or uninstall the plugin") from None
        except OSError as error:
            raise ConfigError(f"{name}: it cannot be set up with this configuration ({error})") from None
        if reply.error is not None:
            raise ConfigError(reply.error)
        return reply.set_up

    def _ask(self, order: Order, seconds: float) -> Future[Reply]:
        """Put a question to a process of the plugin that has none to answer now."""
        future: Future[Reply] = Future()
        with self._lock:
            idle = self._idle.setdefault(order.source, [])
            questions = idle.pop() if idle else self._begin(order.source)
            questions.put((order, seconds, future))
        return future

    def _begin(self, source: Source) -> _Questions:
        questions: _Questions = queue.SimpleQueue()
        # A process ends with the thread that started it, so that thread lasts as long as the process is of use.
        work = threading.Thread(
            target=self._answer, args=(source, questions), name=f"plugin {source.name}", daemon=True
        )
        work.start()
        return questions

    def _answer(self, source: Source, questions: _Questions) -> None:
        child = _Child(self._logs, self._bounds, self._sandbox)
        try:
            while (question := self._next(source, questions)) is not None:
                order, seconds, future = question
                try:
                    reply = child.ask(order, seconds)
                except Exception as error:
                    future.set_exception(error)
                    return
                with self._lock:
                    self._idle[source].append(questions)
                future.set_result(reply)
        finally:
            child.close()

    def _next(self, source: Source, questions: _Questions) -> _Question | None:
        try:
            return questions.get(timeout=self._bounds.kept_seconds)
        except queue.Empty:
            with self._lock:
                if not questions.empty():
                    return questions.get()
                self._idle[source].remove(questions)
            return None


_Question = tuple[Order, float, "Future[Reply]"]
_Questions = queue.SimpleQueue[_Question]


class _EndedError(OSError):
    """The process ended."""


class _Child:
    """One process, from its first question to the end of it."""

    def __init__(self, logs: Path | None, bounds: Bounds, sandbox: Sandbox | None) -> None:
        self._logs = logs
        self._sandbox = sandbox
        self._bounds = bounds
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def ask(self, order: Order, seconds: float) -> Reply:
        """What it answers. Raises TimeoutError, or OSError with a phrase that says what became of it."""
        until = time.monotonic() + seconds
        if self._running is not None:
            try:
                return self._asked(*self._running, order, until)
            except _EndedError:
                # What an earlier question left behind in it may have ended it: it is asked once more, in a new one.
                self.close()
        self._running = self._started()
        return self._asked(*self._running, order, until)

    def _asked(self, process: subprocess.Popen[bytes], channel: socket.socket, order: Order, until: float) -> Reply:
        try:
            channel.settimeout(max(0.001, until - time.monotonic()))
            channel.sendall(pickle.dumps(order))
            return _read(self._line(process, channel, until))
        except (BrokenPipeError, ConnectionResetError):
            raise _ended(process) from None

    def close(self) -> None:
        """End it, with all that it started."""
        if self._running is not None:
            process, channel = self._running
            channel.close()
            child_process.kill(process)
        self._running = None

    def _started(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        try:
            with theirs, open(self._output(), "ab") as output:
                arguments = [str(theirs.fileno()), str(os.getpid()), str(self._bounds.memory_bytes)]
                confined = self._sandbox.within("_setup") if self._sandbox else None
                return child_process.start(_MODULE, arguments, theirs.fileno(), output.fileno(), confined), ours
        except OSError as error:
            ours.close()
            raise OSError(f"its process cannot be started: {error.strerror}") from error

    def _output(self) -> int:
        if self._logs is None:
            return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._logs / _LOG, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _line(self, process: subprocess.Popen[bytes], channel: socket.socket, until: float) -> bytes:
        """The next line that it says. Waits for the end of the process too: what it started may hold its socket."""
        ended = os.pidfd_open(process.pid)
        waiting = select.poll()  # `select` takes no descriptor above 1,023, and a gateway has many.
        waiting.register(channel, select.POLLIN)
        waiting.register(ended, select.POLLIN)
        try:
            line = b""
            while not line.endswith(b"\n"):
                if len(line) > self._bounds.answer_bytes:
                    raise OSError(f"it answered with more than {self._bounds.answer_bytes >> 10} KiB")
                ready = dict(waiting.poll(max(0.0, until - time.monotonic()) * 1000))
                if not ready:
                    raise TimeoutError
                data = channel.recv(1 << 16) if channel.fileno() in ready else b""
                if not data:
                    raise _ended(process)
                line += data
            return line
        finally:
            os.close(ended)


def _ended(process: subprocess.Popen[bytes]) -> OSError:
    """Why it says no more; it is ended if it only closed its socket."""
    try:
        return _EndedError(f"its process ended with status {process.wait(1)}")
    except subprocess.TimeoutExpired:
        return OSError("it closed what was not its own")


def _read(line: bytes) -> Reply:
    try:
        return msgspec.json.decode(line, type=Reply)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise OSError("it answered what makes no sense") from None


def _listed(source: Source, asked: Future[Reply], seconds: float) -> Listed:
    try:
        reply = asked.result()
    except TimeoutError:
        return source.refusal(f"it was not imported within {seconds:g} s")
    except OSError as error:
        return source.refusal(str(error))
    return reply.components if reply.error is None else PluginLoadError(reply.error)
