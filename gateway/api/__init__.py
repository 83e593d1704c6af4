"""The HTTP API: routes, error responses and the OpenAPI document."""
