"""A link that signs a newcomer in to the demo once, so that the first minute needs no key."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections.abc import Callable
from hashlib import sha256

from postil.gateway.control.runtime import Tell

_SECONDS = 900.0


class OneTimeLink:
    """One secret that is good for one login, within 15 minutes of the start's end. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._hash = b""

    def make(self) -> str:
        """Return a new secret; one from before is no longer good."""
        secret = secrets.token_urlsafe(32)
        self._hash, self._until = _hash(secret), math.inf
        return secret

    def heard_by(self, tell: Tell) -> Tell:
        """Return what tells the same, and begins the 15 minutes when the gateway is ready: nobody sees it before."""

        def told(step: str, text: str) -> None:
            if step == "ready" and self._until == math.inf:
                self._until = self._clock() + _SECONDS
            tell(step, text)

        return told

    def fits(self, secret: str) -> bool:
        """Return whether a secret would sign somebody in."""
        return bool(self._hash) and self._clock() < self._until and hmac.compare_digest(_hash(secret), self._hash)

    def take(self, secret: str) -> bool:
        """Return the same; afterwards it is used up."""
        if fits := self.fits(secret):
            self._hash = b""
        return fits


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
