"""A client of the vLLM behind a gateway, past the gateway: for what only vLLM itself can tell."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
import psutil

from postil.gateway.engine.vllm_plugin.only_the_gateway import KEY


def engine_client(processes: Iterable[psutil.Process]) -> httpx.Client:
    """A client of the vLLM among a gateway's processes, with the key of this start, which its owner can read."""
    found = [(process, process.cmdline()) for process in processes]
    process, line = next((process, line) for process, line in found if "--uds" in line)
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=line[line.index("--uds") + 1]),
        base_url="http://engine",
        headers={"Authorization": f"Bearer {process.environ()[KEY]}"},
        timeout=300,
    )
