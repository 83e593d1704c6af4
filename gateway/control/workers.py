"""The interface to worker processes, for a gateway that has none."""

from __future__ import annotations


class WorkerStartError(Exception):
    """The worker processes do not start; the text says why."""


class Workers:
    """No workers: every method does nothing. ``WorkerPool`` implements it with workers."""

    @property
    def serving(self) -> int:
        """The number of processes that take requests now."""
        return 1

    @property
    def in_flight(self) -> int:
        """The number of requests in other processes that hold or wait for an engine lease."""
        return 0

    async def start(self) -> None:
        """Start the workers; return when they take requests. Raises WorkerStartError if one does not start."""

    def tell_draining(self) -> None:
        """Announce that the gateway is shutting down, so that no new clients are sent here."""

    async def caught_up(self) -> None:
        """Return when every worker that takes requests has applied all updates; a silent one is stopped."""

    async def drain(self) -> None:
        """Let the workers finish their requests, then stop them."""

    async def stop(self) -> None:
        """Stop the workers at once."""
