"""The base model: its location, identity and shapes, and the preparation of the default one."""
