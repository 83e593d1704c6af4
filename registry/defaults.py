"""What holds where nobody says otherwise. Imports nothing, so that commands which only show it start quickly."""

from __future__ import annotations

# So many of an adapter's newest releases keep their files in any case.
KEEP = 10
# How long a key goes on beside the one that takes its place.
OVERLAP_SECONDS = 24 * 3600.0
# Who vouches for an adapter: kept and given away with a release, and no part of its artifact.
SIGNATURE = "model.sig"
# What training says of itself, beside the weights.
REPORT = "training.json"
# How many adapters may be measured with one file of held-out rows before it is called worn out.
HELD_OUT_LIMIT = 10
