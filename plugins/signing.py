"""How postil signs what it posts: the headers of Standard Webhooks (https://www.standardwebhooks.com).

A receiver checks the signature over the id, the time and the body, refuses what is older than five minutes, and knows a
message that comes again by its id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_MARK = "whsec_"


def posted(body: bytes, secrets: Sequence[str], *, message: str, timestamp: int) -> Mapping[str, str]:
    """The headers of a posted JSON body; with a signature for each secret.

    ``message`` is the same whenever a message is tried again, ``timestamp`` the seconds since 1970 of this try.
    """
    headers = {
        "content-type": "application/json",
        "user-agent": "postil",
        ID: message,
        TIMESTAMP: str(timestamp),
    }
    if secrets:
        headers[SIGNATURE] = " ".join(signature(body, secret, message, timestamp) for secret in secrets)
    return headers


def signature(body: bytes, secret: str, message: str, timestamp: int) -> str:
    """``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``."""
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """The key in a secret: ``whsec_`` and base64, or any other text as it is."""
    if secret.startswith(_MARK):
        try:
            return base64.b64decode(secret.removeprefix(_MARK), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
