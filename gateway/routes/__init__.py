"""Thin handlers: read the request, ask whoever knows, write the answer."""
