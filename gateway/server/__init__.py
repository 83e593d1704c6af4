"""The server process: startup order, the HTTP port, workers, and shutdown."""
