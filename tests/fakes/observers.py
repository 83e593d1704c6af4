"""Observers of requests, as the pipeline tells them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postil.gateway.inference.record import RequestRecord


def _ignore(record: RequestRecord) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Tells functions."""

    finished: Callable[[RequestRecord], None] = _ignore
    started: Callable[[RequestRecord], None] = _ignore
