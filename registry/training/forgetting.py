"""What an adapter does to questions that have nothing to do with it: figures, and what counts as a label."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel, ConfigDict


class Forgetting(BaseModel):
    """How far a base with an adapter is from itself without, on the package's neutral questions.

    ``kl`` is the mean Kullback-Leibler divergence of next tokens from the base, in nats, over ``tokens`` tokens of the
    base's own greedy answers. ``perplexity_ratio`` is the perplexity of written answers with the adapter over that
    without. ``labels`` is how many of the ``prompts`` the adapter answers with one of its labels, and ``base_labels``
    how many the base. The adapter is asked without its instruction and without a constraint.
    """

    model_config = ConfigDict(frozen=True)

    prompts: int
    tokens: int
    kl: float
    perplexity_ratio: float
    labels: int
    base_labels: int


def is_label(text: str, field: str, labels: Collection[str]) -> bool:
    """Return whether a free answer is a label: the beginning of the JSON for one, or the label alone."""
    said = text.strip()
    if said.startswith("{") and said[1:].lstrip().startswith(f'"{field}"'):
        return True
    plain = said.strip("\"'.!` ").casefold()
    return any(plain == label.casefold() for label in labels)
