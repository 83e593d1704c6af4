"""HTTP and the engine: who asks, which release answers, and what leaves."""
