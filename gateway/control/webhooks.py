"""Posts JSON to webhooks: signed, to an address that was checked, with a time limit, without following redirects."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from postil.gateway.control.addresses import AddressRefusedError, vetted
from postil.plugins.errors import ConfigError
from postil.plugins.signing import posted
from postil.plugins.trust import distrust, trusted_authorities
from postil.registry.accounts.webhooks import Endpoint

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

log = logging.getLogger(__name__)
_SECONDS = 10.0
_LOOKUPS = 8
# Of an answer only the status is read; so much of the rest may wait in memory until the line is cut.
_UNREAD_BYTES = 4 << 10


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Whether a message was accepted (status 200 to 299); the status if there was an answer, else the problem."""

    accepted: bool
    status: int | None = None
    problem: str | None = None


class Webhooks:
    """Posts to endpoints. Each post resolves the host once and connects to an address that it found then.

    ``ca_file`` names authorities that are trusted beside the system's.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file
        self._trust: ssl.SSLContext | None = None
        # Of their own: a name server that does not answer keeps no other work waiting.
        self._lookups = ThreadPoolExecutor(_LOOKUPS, "webhooks")

    async def post(self, endpoint: Endpoint, message: str, content: dict[str, Any]) -> DeliveryResult:
        """Post JSON under the id of a message; logs what goes wrong."""
        import aiohttp  # Imported on first use, because few gateways have a webhook.

        body = msgspec.json.encode(content)
        headers = posted(body, endpoint.secrets, message=message, timestamp=int(time.time()))
        try:
            async with asyncio.timeout(_SECONDS):
                status = await self._status(endpoint, body, headers)
            result = DeliveryResult(status < 300, status)
        except AddressRefusedError as error:
            result = DeliveryResult(False, problem=f"{error}; add the webhook again with --allow-private to allow it")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ConfigError) as error:
            result = DeliveryResult(False, problem=_problem(error))
        if not result.accepted:
            log.warning("webhook %s: %s", endpoint.name, result.problem or f"it answered {result.status}")
        return result

    def close(self) -> None:
        """Stop the threads that look up names."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def _status(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> int:
        import aiohttp
        from yarl import URL

        url = URL(endpoint.url)
        # Looked up here and not by the connector, which asks no resolver about an address that is written out.
        found = await vetted(self._lookups, url.host or "", url.port or 0, allow_private=endpoint.allow_private)
        connector = aiohttp.TCPConnector(
            resolver=_resolver(found), use_dns_cache=False, force_close=True, ssl=await self._authorities(url.scheme)
        )
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=_UNREAD_BYTES
        ) as session:
            response = await session.post(url, data=body, headers=headers, allow_redirects=False)
            response.close()  # Whatever else it says, the line is cut.
            return response.status

    async def _authorities(self, scheme: str) -> ssl.SSLContext | bool:
        """The authorities that are trusted, read once. Raises ConfigError."""
        if scheme == "https" and self._trust is None:
            self._trust = await asyncio.to_thread(trusted_authorities, self._ca_file)
        return self._trust or True


def _problem(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return str(error)
    if wrong := distrust(error):
        return f"the gateway does not trust its certificate: {wrong}"
    return f"it was not reached ({type(error).__name__})"


def _resolver(found: list[tuple[int, str]]) -> AbstractResolver:
    """Return a resolver that knows the addresses already."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolved(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            return [
                ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=flags)
                for kind, address in found
            ]

        async def close(self) -> None:
            """Do nothing: nothing is held."""

    return Resolved()
