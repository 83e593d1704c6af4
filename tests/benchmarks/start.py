"""How long the gateway takes to be ready, and what it needs: ``python -m tests.benchmarks.start``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.fakes.adapters import write_base
from tests.support.servers import free_port, running

ROUNDS = 5


async def main(rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Start it over an engine that is up; seconds to ready, and MiB resident then."""
    engine, url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    found: dict[str, list[float]] = {"seconds": [], "mib": []}
    upstream = [sys.executable, "-m", "tests.benchmarks.upstream", engine.rpartition(":")[2]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "POSTIL_HOME": str(folder / "home"),
            "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
            "POSTIL_ENGINE_URL": engine,
            "POSTIL_PORT": url.rpartition(":")[2],
        }
        postil = [str(Path(sys.executable).parent / "postil"), "serve"]
        async with running(upstream, f"{engine}/health"):
            for _ in range(rounds):
                began = time.perf_counter()
                async with running(postil, f"{url}/health/ready", **environment) as pid:
                    found["seconds"].append(time.perf_counter() - began)
                    found["mib"].append(psutil.Process(pid).memory_info().rss / 2**20)
    return found


if __name__ == "__main__":
    print(asyncio.run(main()))
