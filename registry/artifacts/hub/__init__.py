"""Adapters on a model hub: downloaded by a publish, uploaded by an export."""
