"""Decides which users a canary answers: always the same ones, and only more when its weight is raised."""

from __future__ import annotations

import hashlib
import random

# As many as a float can tell apart below 1: at 100 per cent, nobody is left out by rounding.
_STEPS = 1 << 53


def place(canary: str, tenant: str | None, user: str | None) -> float:
    """Where somebody stands on a line from 0 to 100: in the canary are those below its weight.

    The user if the request names one, else the tenant, else (neither known) anywhere at each request. The place
    depends on the canary, so that it is not always the same people on whom new releases are tried.
    """
    if tenant is None and user is None:
        return random.random() * 100
    who = f"{canary}\0{tenant or ''}\0{user or ''}".encode("utf-8", "surrogatepass")
    return (int.from_bytes(hashlib.blake2b(who, digest_size=8).digest()) >> 11) / _STEPS * 100
