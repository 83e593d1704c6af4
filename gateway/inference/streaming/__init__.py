"""Server-sent events, as they are read and written."""
