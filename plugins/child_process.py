"""What every process with installed plugins in it has in common, seen from both sides."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from postil.plugins.landlock import Sandbox, enter

# What foreign code may see of the environment; none of the gateway's secrets, unless one is meant for plugins.
_PASSED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HF_HOME",
        "PYTHONDONTWRITEBYTECODE",
    }
)
_PASSED_PREFIXES = ("OMP_", "MKL_", "OPENBLAS_")
_FOR_PLUGINS = "POSTIL_PLUGIN_"
# Enough that a busy plugin leaves the cores to the gateway; the least would starve a quick one beside a busy engine.
NICER = 10
_PR_SET_PDEATHSIG = 1
_SANDBOX = "_POSTIL_SANDBOX"
_LOG_BYTES, _LOG_KEPT = 1 << 20, 64 << 10
_LOG_SECONDS = 0.2


def start(
    module: str,
    arguments: Sequence[str],
    channel: int | None,
    output: int,
    sandbox: Sandbox | None = None,
    nicer: int = NICER,
    *,
    given: int = subprocess.DEVNULL,
    errors: int | None = None,
    own: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``python -m module arguments`` with the descriptor ``channel``. What it prints goes to ``output``.

    One of our own without plugins gets nothing that is meant for them, but what ``own`` says.

    It reads what is ``given``; its errors go to ``errors``, if that is not where its output goes. It confines itself to
    its ``sandbox`` when it calls ``confine``.

    The process ends with the thread that calls this (see ``end_with``), so that thread has to last. Raises OSError.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=given,
        stdout=output,
        stderr=output if errors is None else errors,
        pass_fds=() if channel is None else (channel,),
        env=environment(os.environ, own) | ({_SANDBOX: msgspec.json.encode(sandbox).decode()} if sandbox else {}),
        # A group of its own, so that it can be ended with all that it started. Not a session: where the kernel
        # shares the processor out among sessions first, a lower priority would mean nothing.
        process_group=0,
    )
    try:
        current = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process.pid, min(current + nicer, 19))
    except OSError:  # It may have ended already.
        pass
    return process


def kill(process: subprocess.Popen[bytes]) -> int:
    """End a process with all that it started; returns its status."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return process.wait()


def environment(given: Mapping[str, str], own: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process gets of ``given``, and the places where this one finds its modules; ``own`` as in ``start``."""
    prefixes = _PASSED_PREFIXES if own is not None else (*_PASSED_PREFIXES, _FOR_PLUGINS)
    kept = {name: text for name, text in given.items() if name in _PASSED or name.startswith(prefixes)}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return kept | dict(own or {}) | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent: one that is held up would not notice (Linux)."""
    # If there is something to cast away, a plugin that eats the memory is.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the gateway has gone")


def confine() -> None:
    """Confine this process to the sandbox that it was started with, if any; before it has threads."""
    given = os.environ.pop(_SANDBOX, None)
    if given is not None and not enter(msgspec.json.decode(given, type=Sandbox)):
        print("this kernel has no Landlock: plugins may read what the gateway's user may", file=sys.stderr)


def bound_memory(most: int) -> None:
    """Let this process have so many bytes of memory of its own; no core of it is dumped.

    Private memory, and not addresses: libraries reserve many more of those than they ever use.
    """
    _bound(resource.RLIMIT_DATA, most, most)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def bound_time(seconds: int) -> None:
    """Let this process compute for so long from now on. Then it gets SIGXCPU, and is killed a second later."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _bound(resource.RLIMIT_CPU, until, until + 1)


def _bound(what: int, soft: int, hard: int) -> None:
    """Set a limit, or keep one that is stricter: no process may raise its hard limits."""
    _, known = resource.getrlimit(what)
    most = hard if known == resource.RLIM_INFINITY else min(hard, known)
    resource.setrlimit(what, (min(soft, most), most))


def keep_log_short(log: int) -> None:
    """Of what plugins print, keep the end. Never returns."""
    while True:
        shorten(log)
        time.sleep(_LOG_SECONDS)


def shorten(log: int) -> None:
    """Keep the end of a log that has grown long."""
    size = os.fstat(log).st_size
    if size > _LOG_BYTES:
        kept = os.pread(log, _LOG_KEPT, size - _LOG_KEPT)
        os.ftruncate(log, 0)
        os.write(log, b"(what came before was dropped)\n" + kept)
