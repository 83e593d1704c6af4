"""The admin API, one file per area."""
