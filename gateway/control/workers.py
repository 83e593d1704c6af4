"""The interface to worker processes, for a gateway that has none."""

from __future__ import annotations


class WorkerStartError(Exception):
    """The processes that are to answer do not come up; the text says why."""


class Workers:
    """No workers: there is nothing to start or wait for. ``WorkerPool`` is the one with workers."""

    @property
    def serving(self) -> int:
        """How many processes take requests now."""
        return 1

    @property
    def in_flight(self) -> int:
        """How many requests of other processes have a lease at the engine, or wait for one."""
        return 0

    async def start(self) -> None:
        """Start them; return when they take requests. Raises WorkerStartError if one does not come up."""

    def tell_draining(self) -> None:
        """The gateway is going to end: nobody new is to be sent here."""

    async def caught_up(self) -> None:
        """Return when all that was told is in force with everybody who takes requests; who does not hear is ended."""

    async def drain(self) -> None:
        """Let them finish their requests, and end them."""

    async def stop(self) -> None:
        """End them now."""
