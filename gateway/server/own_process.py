"""What of this process others of the same user may see: nothing."""

from __future__ import annotations

import ctypes
import os
import sys

from postil.gateway.settings.secret_names import secret_variables

_PR_SET_DUMPABLE = 4


def keep_to_itself() -> None:
    """Let no process of the same user read this one's memory and environment, or attach to it (Linux; root may).

    Processes that it starts do not inherit that: a program begins anew.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def forget_secrets() -> None:
    """Take out of the environment what the settings hold: nothing that is started gets it by mistake."""
    for name in secret_variables():
        os.environ.pop(name, None)
