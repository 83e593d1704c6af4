"""Every HTTP shape: routes, errors as they are shown, and the OpenAPI document."""
