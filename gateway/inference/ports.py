"""What the data plane needs of others: where reviews go."""

from __future__ import annotations

from typing import Protocol

from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest


class ReviewNotKeptError(Exception):
    """A review could not be kept, so nothing can be promised."""


class ReviewSink(Protocol):
    """Who keeps answers for a person to look at."""

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Keep a review and return its id. Raises ReviewNotKeptError."""

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Keep a review of an answer that passed."""
