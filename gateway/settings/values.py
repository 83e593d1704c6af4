"""Values that settings are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one connection may do; the sizes of bodies are the routes' own.

    ``stall_seconds`` is how long a body may take to bring ``stall_bytes`` or its end, and an answer to be taken.
    """

    connections: int = 2048
    head_bytes: int = 64 << 10
    headers: int = 100
    head_seconds: float = 10.0
    stall_seconds: float = 30.0
    stall_bytes: int = 120 << 10
    # How long an answer that was given before the body had ended may be read, before the line is cut.
    linger_seconds: float = 5.0


class PluginUse(BaseModel):
    """A plugin by its name, with its configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    config: dict[str, Any] = Field(default_factory=dict)
