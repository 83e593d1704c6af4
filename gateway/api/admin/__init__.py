"""The admin API: one file an area."""
