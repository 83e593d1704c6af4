"""Processes that answer side by side on one port, and the one that keeps what they share.

The primary is the gateway as it always is: registry, engine, limits, turns, the watch over releases, the admin API. A
worker reads requests, puts policies in force, asks the engine and judges what it says; whatever has to be the same for
all of them it asks the primary, over a socket between the two. See deploy/decisions/0017.
"""
