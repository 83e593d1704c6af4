"""The engine: vLLM behind its HTTP API, as a supervised child or at an address."""
