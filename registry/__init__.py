"""Adapters as data: artifacts, releases, channels, tenants, and the log of what was done."""
