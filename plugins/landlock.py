"""Takes from a process of plugins what it has no business with, where the kernel can (Landlock, Linux 5.13 and later).

It reads no file that it is denied, writes nowhere but where it may, and neither reads the memory nor the environment of
the gateway, whoever its user is. Landlock knows allowed places only: so beside each denied one, all is allowed that
stands there when the process starts.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from postil.plugins.allowed_paths import AllowedPaths

# Numbers of system calls, the same on every machine; and of what a rule may allow.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_ALL = (1 << 64) - 1
# Which rights each version of Landlock knows, as the highest bit.
_HIGHEST = {1: 12, 2: 13, 3: 14, 4: 14}
_NEWEST_HIGHEST, _SIGNALS_SINCE, _SCOPE_SIGNALS = 15, 6, 2


class Sandbox(msgspec.Struct, frozen=True):
    """What a process may not read, but for what is ``readable`` in it, and its folder for temporary files."""

    denied: tuple[str, ...]
    temporary: str
    readable: tuple[str, ...] = ()

    def within(self, name: str) -> Sandbox:
        """One whose temporary folder is a part of this one's, made if need be."""
        folder = Path(self.temporary, name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Sandbox(self.denied, str(folder), self.readable)


def version() -> int:
    """The version of Landlock that the kernel has, 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, 1)))


def enter(sandbox: Sandbox) -> bool:
    """Confine this process for good, before it has threads; whether that could be done."""
    os.environ["TMPDIR"] = sandbox.temporary
    libc, found = _libc(), version()
    if not found:
        return False
    handled = (2 << _HIGHEST.get(found, _NEWEST_HIGHEST)) - 1
    signals = _SCOPE_SIGNALS if found >= _SIGNALS_SINCE else 0
    attributes = (ctypes.c_uint64 * 3)(handled, 0, signals)
    size = 24 if signals else 8
    ruleset = int(libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0))
    if ruleset < 0:
        return False
    try:
        for path, rights in _rules(sandbox):
            _allow(libc, ruleset, path, rights & handled)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return int(libc.syscall(_RESTRICT_SELF, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _rules(sandbox: Sandbox) -> Iterator[tuple[Path, int]]:
    paths = AllowedPaths(sandbox.denied, os.environ)
    for rights, allowed in (
        (_READING, paths.readable(sandbox.readable)),
        (_READ_DIR, paths.listed(sandbox.readable)),
        (_ALL, paths.writable(sandbox.temporary)),
        (_OF_FILES | _READ_DIR, paths.devices()),
    ):
        yield from ((path, rights) for path in allowed)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Allow what is beneath a path. What is not there, or cannot be opened, is not allowed."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            # The kernel's structure is packed: a number of 8 bytes, and one of 4.
            rule = rights.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
