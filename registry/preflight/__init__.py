"""Checks an adapter before it is published, without loading it."""
