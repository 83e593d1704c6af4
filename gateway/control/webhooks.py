"""Posting JSON to a URL that a policy names: signed, bounded in time, never redirected."""

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
    """Posts; with a ``secret``, each body's HMAC-SHA256 goes along as ``x-postil-signature: sha256=<hex>``."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret.encode() if secret else None
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, content: dict[str, Any]) -> bool:
        """Post JSON; returns whether it was accepted (a status from 200 to 299)."""
        import aiohttp  # Few gateways have a webhook: the others start without it.

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
        """Close every connection."""
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
