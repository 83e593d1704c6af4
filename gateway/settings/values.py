"""Values that settings are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_RESERVED, _RESERVED_SHARE = 32, 8
_RESERVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one connection may do; the sizes of bodies are the routes' own.

    ``stall_seconds`` is how long a body may take to bring ``stall_bytes`` or its end. An answer may be read
    slowly for as long as it is read at all: it is cut once nothing was taken from one look to the next, so long apart.
    """

    connections: int = 2048
    # Of one address, unless it is one of the `trusted` networks: a proxy's has everybody behind it.
    per_address: int = 512
    trusted: tuple[str, ...] = ()
    # Whether only this machine's own programs are answered: the demo's keys are well known.
    local_only: bool = False
    head_bytes: int = 64 << 10
    headers: int = 100
    head_seconds: float = 10.0
    stall_seconds: float = 30.0
    stall_bytes: int = 120 << 10
    # How long a connection may wait for its next request; clients are told.
    idle_seconds: int = 75
    # How long an answer that was given before the body had ended may be read, before the line is cut.
    linger_seconds: float = 5.0

    @property
    def reserved(self) -> int:
        """How many of the connections are kept for health and the admin API."""
        return min(_RESERVED, self.connections // _RESERVED_SHARE)

    def of_reserve(self) -> HttpLimits:
        """What a connection of the reserve may do: whoever has nothing to say at once makes room."""
        return replace(
            self,
            head_seconds=min(self.head_seconds, _RESERVE_SECONDS),
            linger_seconds=min(self.linger_seconds, _RESERVE_SECONDS),
        )


class PluginUse(BaseModel):
    """A plugin by its name, with its configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    config: dict[str, Any] = Field(default_factory=dict)
