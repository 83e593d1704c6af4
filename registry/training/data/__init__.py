"""Training data: reading any of the usual forms, checking it, splitting it, and making variants of it."""
