"""``webhook``: everything that is done, posted as JSON to an address.

Its headers are those of Standard Webhooks; it is signed where a secret is configured. What is not taken is tried again
for a while and then dropped, with a line in the gateway's log.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
import time
from collections.abc import Sequence
from typing import Annotated

import httpx
from pydantic import Field

from postil.plugins.contract import Config, Listener
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.signing import posted
from postil.plugins.texts import as_json
from postil.plugins.trust import distrust, trusted_authorities
from postil.plugins.types import Notification

log = logging.getLogger(__name__)

# A listener is given a minute.
_LONGEST = 55.0


class WebhookConfig(Config):
    """``secret_env`` names the environment variable that holds the secret, which so stands in no file of settings.

    ``timeout_seconds`` is for each attempt; after the first that fails ``backoff_seconds`` pass, then twice as many.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=2000)]
    secret_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=_LONGEST)] = 10.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    backoff_seconds: Annotated[float, Field(ge=0, le=_LONGEST)] = 1.0


class Webhook(Listener):
    """Posts to one address, and nowhere that it redirects to."""

    name = "webhook"
    Config = WebhookConfig
    _trust: ssl.SSLContext | None = None

    def __init__(self, config: WebhookConfig) -> None:
        super().__init__(config)
        longest = config.attempts * config.timeout_seconds + config.backoff_seconds * (2 ** (config.attempts - 1) - 1)
        if longest > _LONGEST:
            raise ConfigError(
                f"webhook: {config.attempts} attempts can take {longest:g} seconds, and {_LONGEST:g} are the most;"
                " allow fewer or shorter ones"
            )
        secret = os.environ.get(config.secret_env) if config.secret_env else None
        if config.secret_env and not secret:
            raise ConfigError(f"webhook: the environment has no {config.secret_env}; set it, or leave secret_env out")
        self._secrets = (secret,) if secret else ()

    async def handle(self, notification: Notification) -> None:
        """Post until it is taken. Raises what went wrong last."""
        body = as_json(notification).encode()
        message = f"event_{hashlib.sha256(body).hexdigest()[:32]}"
        timeout = httpx.Timeout(self.config.timeout_seconds)
        trust = await self._authorities()
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False, verify=trust) as client:
            attempt = 0
            while True:
                attempt += 1
                try:
                    async with asyncio.timeout(self.config.timeout_seconds):
                        headers = posted(body, self._secrets, message=message, timestamp=int(time.time()))
                        response = await client.post(self.config.url, content=body, headers=headers)
                    response.raise_for_status()
                    return
                except (httpx.HTTPError, TimeoutError) as error:
                    if attempt == self.config.attempts or not _may_pass(error):
                        if wrong := distrust(error):
                            log.warning("webhook: the gateway does not trust the receiver's certificate: %s", wrong)
                        raise
                await asyncio.sleep(self.config.backoff_seconds * 2 ** (attempt - 1))

    async def _authorities(self) -> ssl.SSLContext | bool:
        """Read once, in a thread, the authorities that are trusted; where there is no TLS, none."""
        if not self.config.url.startswith("https:"):
            return False
        if self._trust is None:
            self._trust = await asyncio.to_thread(trusted_authorities)
        return self._trust


def _may_pass(error: Exception) -> bool:
    """Whether another attempt can do better: a refusal, a redirect or a strange certificate stays what it is."""
    if distrust(error):
        return False
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= 500 or status in (408, 429)
    return True


@hookimpl
def postil_listeners() -> Sequence[type[Listener]]:
    """Offer ``webhook``."""
    return [Webhook]
