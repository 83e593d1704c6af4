"""Which addresses a webhook may be at: global ones, unless an admin allowed its network's own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import Executor
from functools import partial

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What some versions of Python take for global: protocol assignments, relays of 6to4, documentation.
_NOT_GLOBAL = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20"))
)


class AddressRefusedError(Exception):
    """An address that nothing is posted to; the text says why."""


def is_global(text: str) -> bool:
    """Whether an address is one of the public internet, also where it stands inside another one.

    Python's ``is_global`` takes multicast, 6to4, site-local and IPv4-compatible addresses for global.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if any(address in network for network in _NOT_GLOBAL):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address.ipv4_mapped is not None:
        return is_global(str(address.ipv4_mapped))
    if address in _NAT64:
        return is_global(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
    return address in _GLOBAL_UNICAST and address.is_global


async def vetted(executor: Executor, host: str, port: int, *, allow_private: bool) -> list[tuple[int, str]]:
    """Resolve a host once: families and addresses, all of which may be posted to.

    Raises AddressRefusedError or OSError. One address that may not refuses all: a name that points inside and outside
    is a trap.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    found = await asyncio.get_running_loop().run_in_executor(executor, look_up)
    addresses: list[tuple[int, str]] = list(
        dict.fromkeys((int(family), str(where[0])) for family, _, _, _, where in found)
    )
    if not allow_private:
        for _, address in addresses:
            if not is_global(address):
                raise AddressRefusedError(f"{host} is at {address}, which is not an address of the public internet")
    return addresses
