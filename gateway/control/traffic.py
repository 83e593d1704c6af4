"""How many requests are being answered, and whether new ones are still wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Counted by whoever answers. ``draining`` means that this process is going to end: send nobody new here."""

    in_flight: int = 0
    draining: bool = False
