"""How the small models of the built-in checks are made."""
