"""Adapters on a model hub: fetched for a publish, pushed by an export."""
