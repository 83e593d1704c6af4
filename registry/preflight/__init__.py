"""What is checked of an adapter before it is published, without loading it."""
