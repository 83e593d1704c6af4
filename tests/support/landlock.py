"""Where the kernel has Landlock, its tests run; where it has none, the skip says what is missing."""

from __future__ import annotations

import ctypes
import errno
import platform
import sys

import pytest

_CREATE_RULESET = 444
_MISSING = {
    errno.ENOSYS: "it is not compiled in (CONFIG_SECURITY_LANDLOCK, Linux 5.13 and later)",
    errno.EOPNOTSUPP: "it is switched off; add `landlock` to `lsm=` on the kernel's command line",
}


def missing() -> str | None:
    """Why this kernel has no Landlock, None where it has. Asks the kernel itself, and not the code under test."""
    if sys.platform != "linux":
        return f"{sys.platform} has no Landlock; only Linux has"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_CREATE_RULESET, None, 0, 1) > 0:
        return None
    # What is another error is none of Landlock's absence: then the tests run, and fail.
    reason = _MISSING.get(ctypes.get_errno())
    return f"Linux {platform.release()} has no Landlock: {reason}" if reason else None


needs_landlock = pytest.mark.skipif(missing() is not None, reason=missing() or "")
