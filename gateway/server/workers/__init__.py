"""Worker processes that answer on one port, and the primary that keeps their shared state.

The primary is an ordinary gateway with the registry, the engine, limits, queues, analysis and the admin API. A worker
parses requests, applies policies, calls the engine and evaluates answers. For everything shared it asks the primary
over a socket. See deploy/decisions/0017.
"""
