"""What every worker is told, and the first thing that it is told."""

from __future__ import annotations

from typing import NamedTuple

from postil.gateway.settings import Settings

START, ADAPTERS, CALLERS, ENGINE, LEAVING, END = "start", "adapters", "callers", "engine", "leaving", "end"


class Start(NamedTuple):
    """What a worker has to know before anything else.

    ``address`` is where it listens, ``front`` the socket at which the keeper answers what a worker does not. So many
    ``news`` come before it takes its first request.
    """

    settings: Settings
    address: tuple[str, int]
    engine: str
    front: str
    news: int
