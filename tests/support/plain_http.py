"""Clients for servers of the tests' own, without TLS."""

from __future__ import annotations

from typing import Any

import httpx


def plain_client(url: str = "", **arguments: Any) -> httpx.AsyncClient:
    """A client for a plain HTTP server: it reads no certificates of authorities, which takes longer than a request."""
    return httpx.AsyncClient(base_url=url, verify=False, **arguments)
