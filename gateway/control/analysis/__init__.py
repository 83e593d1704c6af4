"""Whether a release does worse than the one before it."""
