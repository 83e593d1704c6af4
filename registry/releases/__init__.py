"""Releases and channels: publish, promote, roll back, history, garbage collection."""
