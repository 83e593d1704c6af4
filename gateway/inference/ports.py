"""The interfaces that the data plane needs from others: where reviews go."""

from __future__ import annotations

from typing import Protocol

from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest


class ReviewNotKeptError(Exception):
    """A review could not be stored, so the client cannot be promised one."""


class ReviewSink(Protocol):
    """Stores answers for human review."""

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Store a review and return its id. Raises ReviewNotKeptError."""

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Store a sampled review of an answer that passed."""
