"""How long to wait before the next try."""

from __future__ import annotations

from dataclasses import dataclass

# Beyond this many doublings every pause is at its longest.
_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: ``first`` after one failure, twice as long after each further one, at most ``longest``."""

    first: float
    longest: float

    def pause(self, failures: int) -> float:
        """The pause after so many failures in a row, 1 or more."""
        return min(self.first * 2.0 ** min(max(failures - 1, 0), _MOST_DOUBLINGS), self.longest)
