"""What runs inside a plugin's own process."""
