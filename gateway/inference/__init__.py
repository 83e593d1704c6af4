"""The data plane: one request from its parsed body to its answer."""
