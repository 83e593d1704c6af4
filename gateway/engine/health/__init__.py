"""Whether the engine is making progress."""
