"""Keys between the processes of one gateway: its sockets are open to whatever runs as the same user."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from postil.gateway.settings import Settings

_BYTES = 32


@dataclass(frozen=True, slots=True)
class InsideKeys:
    """``engine`` is sent to vLLM, ``front`` by workers to the gateway's own process."""

    engine: str | None = field(repr=False)
    front: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> InsideKeys:
        """New keys; for a vLLM of somebody's own the one that the settings give, if any."""
        engine = settings.engine_key if settings.engine_url else secrets.token_urlsafe(_BYTES)
        return cls(engine, secrets.token_urlsafe(_BYTES))
