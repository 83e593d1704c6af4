"""The command ``postil``: starts a gateway, or talks to a running one over its HTTP API."""
