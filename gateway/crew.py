"""Who has to hear of what changes on a gateway: the processes that answer in its place, where it has some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from postil.gateway.catalog import Entry


class CrewError(Exception):
    """The processes that are to answer do not come up; the text says why."""


class Crew(Protocol):
    """The processes that answer. What they are told of is in force with all of them when ``caught_up`` returns."""

    @property
    def serving(self) -> int:
        """How many processes take requests now."""

    @property
    def in_flight(self) -> int:
        """How many requests of theirs have a seat at the engine, or wait for one."""

    async def start(self) -> None:
        """Start them; return when they take requests. Raises CrewError if one does not come up."""

    def hear_of(self, entries: Iterable[Entry], defaults: Mapping[str, str]) -> None:
        """These adapters are served like this from now on."""

    def hear_who_calls(self) -> None:
        """Tenants or keys have changed."""

    def hear_of_the_engine(self) -> None:
        """The engine has another phase."""

    async def caught_up(self) -> None:
        """Return when all that was told is in force with everybody; who does not hear is ended."""

    def hear_of_leaving(self) -> None:
        """The gateway is going to end: nobody new is to be sent here."""

    async def leave(self) -> None:
        """Have them answer what they have, and end."""

    async def stop(self) -> None:
        """End them now."""


class NoCrew:
    """Nobody: the gateway answers by itself."""

    serving = 1
    in_flight = 0

    async def start(self) -> None:
        """There is nobody."""

    def hear_of(self, entries: Iterable[Entry], defaults: Mapping[str, str]) -> None:
        """There is nobody."""

    def hear_who_calls(self) -> None:
        """There is nobody."""

    def hear_of_the_engine(self) -> None:
        """There is nobody."""

    async def caught_up(self) -> None:
        """There is nobody."""

    def hear_of_leaving(self) -> None:
        """There is nobody."""

    async def leave(self) -> None:
        """There is nobody."""

    async def stop(self) -> None:
        """There is nobody."""
