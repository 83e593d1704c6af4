"""Which release answers a request."""
