"""Posts JSON to a URL from a policy: signed, with a time limit, without following redirects."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from postil.plugins.signing import posted

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
_SECONDS = 10.0


class Webhooks:
    """Posts JSON; with a ``secret``, the body's HMAC-SHA256 is sent as ``x-postil-signature: sha256=<hex>``."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret.encode() if secret else None
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, content: dict[str, Any]) -> bool:
        """Post JSON; return whether it was accepted (status 200 to 299)."""
        import aiohttp  # Imported on first use, because few gateways have a webhook.

        body = msgspec.json.encode(content)
        headers = posted(body, self._secret)
        try:
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as response:
                if response.status < 300:
                    return True
                log.warning("a webhook answered %d", response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("a webhook was not reached: %s", type(error).__name__)
        return False

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_SECONDS), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session
