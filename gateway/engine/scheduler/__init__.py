"""The fair queue in front of the engine: which request goes next, by tenant and by adapter."""
