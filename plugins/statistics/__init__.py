"""Statistics of shares, in plain Python: the gateway's process needs no numerical library for them."""
