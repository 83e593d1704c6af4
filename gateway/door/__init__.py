"""What stands between a stranger's socket and the application: bounds on all that comes in."""
