"""Who has to hear of what changes on a gateway: the processes that answer in its place, where it has some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postil.gateway.inference.routing.catalog import AdapterEntry


class WorkerStartError(Exception):
    """The processes that are to answer do not come up; the text says why."""


class Subscribers:
    """Of a gateway that answers by itself: nobody has to be told. ``WorkerPool`` is that of the others."""

    @property
    def serving(self) -> int:
        """How many processes take requests now."""
        return 1

    @property
    def in_flight(self) -> int:
        """How many requests of other processes have a seat at the engine, or wait for one."""
        return 0

    async def start(self) -> None:
        """Start them; return when they take requests. Raises PoolError if one does not come up."""

    def tell_adapters(self, entries: Iterable[AdapterEntry], defaults: Mapping[str, str]) -> None:
        """These adapters are served like this from now on."""

    def tell_callers(self) -> None:
        """Tenants or keys have changed."""

    def tell_engine(self) -> None:
        """The engine has another phase."""

    def tell_draining(self) -> None:
        """The gateway is going to end: nobody new is to be sent here."""

    async def caught_up(self) -> None:
        """Return when all that was told is in force with everybody who takes requests; who does not hear is ended."""

    async def drain(self) -> None:
        """Have them answer what they have, and end."""

    async def stop(self) -> None:
        """End them now."""
