"""Which fields a request may have: one table, and the check that it drives."""
