"""Processes that postil has started, told apart by what runs in them."""

from __future__ import annotations

import psutil

WORKER = "postil.gateway.server.workers.main"
GUARD = "postil.gateway.engine.process.reaper"


def runs(process: psutil.Process, what: str) -> bool:
    """Whether that is what it runs; of one that has just ended, nobody can say."""
    try:
        return what in " ".join(process.cmdline())
    except psutil.Error:
        return False
