"""The base model: where it is, what it is, and how the default one is made."""
