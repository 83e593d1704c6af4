"""How postil signs what it posts, so that whoever receives it can tell that it came from there, and whole."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

SIGNATURE = "x-postil-signature"


def posted(body: bytes, secret: bytes | None) -> Mapping[str, str]:
    """The headers of a posted JSON body; with a secret, its HMAC-SHA256 as ``x-postil-signature: sha256=<hex>``."""
    headers = {"content-type": "application/json", "user-agent": "postil"}
    if secret is not None:
        headers[SIGNATURE] = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return headers
