"""Artifacts: the immutable files of an adapter, by digest."""
