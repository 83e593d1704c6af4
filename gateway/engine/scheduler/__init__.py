"""Who goes to the engine, and when: turns between tenants and between adapters, in front of a bounded engine."""
