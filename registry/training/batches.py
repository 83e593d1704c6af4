"""Cuts examples into batches by what they take of the memory, so that a long message does not take all of it.

A row's activations grow with its length, and its attention with the square of that. The figures are those of a small
base (135M parameters), in units of about 3 kB while gradients are kept; a larger base takes more of each alike.
"""

from __future__ import annotations

from collections.abc import Sequence

# Of a token's own activations, in units of one pair of tokens in the attention.
_TOKEN = 426
# While gradients are kept: about 1.3 GB, as 8 messages of 64 tokens have always taken.
TRAINING = 400_000
# Without gradients a layer's memory is given back after it.
ANSWERING = 1_600_000


def batches(lengths: Sequence[int], shared: int, most: int, rows: int) -> list[list[int]]:
    """Return the places of ``lengths`` in batches of at most ``rows``, longest first, so that a lack shows at once.

    Each takes at most ``most``, with the ``shared`` tokens before every row. What takes more by itself is alone.
    """
    if not lengths:
        return []
    if len(lengths) <= rows and _units(len(lengths), max(lengths), shared) <= most:
        return [[*range(len(lengths))]]
    made: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        last = made[-1] if made else []
        if last and len(last) < rows and _units(len(last) + 1, lengths[last[0]], shared) <= most:
            last.append(place)
        else:
            made.append([place])
    return made


def is_long(length: int, shared: int, most: int) -> bool:
    """Whether a row takes more than ``most`` by itself."""
    return _units(1, length, shared) > most


def _units(rows: int, longest: int, shared: int) -> int:
    return rows * longest * (_TOKEN + shared + longest)
