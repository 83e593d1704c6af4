"""The ``postil`` command: starts a gateway, or calls a running one over its HTTP API."""
