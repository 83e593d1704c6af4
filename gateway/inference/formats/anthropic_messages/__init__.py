"""Anthropic's Messages: ``/v1/messages``, and the count of a request's tokens."""
