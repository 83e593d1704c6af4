"""How many requests are in flight, and whether the process is draining."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """``draining`` means that this process is shutting down and load balancers should send nothing new."""

    in_flight: int = 0
    draining: bool = False
