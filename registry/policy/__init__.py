"""Policies: their schema, and the plugins that they use."""
