"""The demo with the real vLLM, started for the attacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.hostile.scene import hostile
from tests.chaos.verdict import Row
from tests.engine.conftest import start


async def attacked(folder: Path, seconds: int) -> Row:
    """Serve the demo, attack it for so long, and stop it."""
    served = await asyncio.to_thread(start, folder / "home")
    try:
        return await hostile(served.url, (served.home / "admin.key").read_text().strip(), seconds)
    finally:
        await asyncio.to_thread(served.stop)
