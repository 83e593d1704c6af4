"""The demo with the real vLLM, started for the attacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.hostile.scene import hostile
from tests.chaos.verdict import Row
from tests.engine.conftest import start

# Below this a run is a short one.
_LONG_SECONDS = 300


async def attacked(folder: Path, seconds: int) -> Row:
    """Serve the demo, attack it for so long, and stop it."""
    served = await asyncio.to_thread(start, folder / "home")
    try:
        return await hostile(
            served.url, (served.home / "admin.key").read_text().strip(), seconds, short=seconds < _LONG_SECONDS
        )
    finally:
        await asyncio.to_thread(served.stop)
