"""Who may have a connection: so many in all, so many for each address, and a reserve for health and the admin API."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from postil.gateway.settings import HttpLimits

# Connections that are told why they are refused; more are closed without a word.
_MOST_TOLD = 256
# An IPv6 customer has a network of this size at least.
_IPV6_NETWORK = 64


class Standing(Enum):
    """What a connection may ask for.

    ``RESERVED``: only health and the admin API; ``UNHEARD``: nothing, and is not told why.
    """

    OPEN = "open"
    RESERVED = "reserved"
    REFUSED = "refused"
    UNHEARD = "unheard"


class Connection(Protocol):
    """One connection in the reserve."""

    @property
    def is_waiting(self) -> bool:
        """Whether no request of it is being answered."""

    def evict(self) -> None:
        """Close it, so that a newer one has its place."""


class ConnectionCounts:
    """Counts the connections of one process. What is over the bounds goes into a small reserve, then is refused.

    Purposes are not known before a head is read, so that the reserve takes anybody. Its oldest connection that waits
    gives way to a new one: whoever fills the reserve with silence is closed first, and a probe speaks at once.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._trusted = tuple(ip_network(each, strict=False) for each in limits.trusted)
        self._open = 0
        self._told = 0
        self._by_address: dict[str, int] = {}
        self._reserve: dict[Connection, None] = {}
        self._held: dict[Connection, tuple[Standing, str | None]] = {}

    def enter(self, connection: Connection, host: str | None) -> Standing:
        """Count a new connection from ``host`` (None: a private socket), and say what it may do."""
        address = self._address(host)
        standing = self._standing(address)
        self._held[connection] = (standing, address)
        if standing is Standing.OPEN:
            self._open += 1
            if address is not None:
                self._by_address[address] = self._by_address.get(address, 0) + 1
        elif standing is Standing.RESERVED:
            self._reserve[connection] = None
        elif standing is Standing.REFUSED:
            self._told += 1
        return standing

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        standing, address = self._held.pop(connection)
        if standing is Standing.OPEN:
            self._open -= 1
            if address is not None:
                self._by_address[address] -= 1
                if not self._by_address[address]:
                    del self._by_address[address]
        elif standing is Standing.RESERVED:
            self._reserve.pop(connection, None)
        elif standing is Standing.REFUSED:
            self._told -= 1

    def _standing(self, address: str | None) -> Standing:
        crowded = address is not None and self._by_address.get(address, 0) >= self._limits.per_address
        if not crowded and self._open < self._limits.connections - self._limits.reserved:
            return Standing.OPEN
        if self._has_reserve():
            return Standing.RESERVED
        return Standing.REFUSED if self._told < _MOST_TOLD else Standing.UNHEARD

    def _has_reserve(self) -> bool:
        """Whether the reserve has a place, made free if need be."""
        if len(self._reserve) < self._limits.reserved:
            return True
        oldest = next((each for each in self._reserve if each.is_waiting), None)
        if oldest is None:
            return False
        del self._reserve[oldest]
        oldest.evict()
        return True

    def _address(self, host: str | None) -> str | None:
        """What a client's connections are counted under; None for a trusted proxy's, and within the machine."""
        if host is None:
            return None
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return None
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is None:
                if any(address in network for network in self._trusted):
                    return None
                return str(ip_network((address, _IPV6_NETWORK), strict=False))
            address = address.ipv4_mapped
        return None if any(address in network for network in self._trusted) else str(address)
