"""Tenants, keys, limits and usage."""
