"""Runs ``postil serve`` as a process whose clock can jump and that counts what it holds.

``CHAOS_FOLDER`` is where it reads ``clock`` (seconds to be added to the time of day) and writes ``held``, a line of
JSON now and then: its memory, its open files, its tasks.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import psutil
import uvloop

from postil.gateway.cli import run_server as serving
from postil.gateway.settings import read_settings
from postil.registry.db import tables as models

_SAMPLE_SECONDS = 0.25


class Jumping(datetime):
    """A ``datetime`` whose ``now`` is off by what a file says: all that the registry reads of the time of day."""

    file = Path(os.environ["CHAOS_FOLDER"]) / "clock"

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Jumping:
        """The time of day, and what the file says."""
        off = float(cls.file.read_text()) if cls.file.exists() else 0.0
        return super().now(tz) + timedelta(seconds=off)


async def main() -> int:
    """Serve, and count beside it."""
    settings = read_settings()
    counting = asyncio.create_task(count(Path(os.environ["CHAOS_FOLDER"]) / "held"))
    try:
        return await serving._serve(settings, serving.take_port(settings))
    finally:
        counting.cancel()


async def count(file: Path) -> None:
    """Write down what this process holds, until cancelled."""
    process = psutil.Process()
    while True:
        held = {"memory": process.memory_info().rss, "files": process.num_fds(), "tasks": len(asyncio.all_tasks())}
        with file.open("a") as lines:
            lines.write(json.dumps(held) + "\n")
        await asyncio.sleep(_SAMPLE_SECONDS)


if __name__ == "__main__":
    setattr(models, "datetime", Jumping)  # noqa: B010 - the outside that it reads the time from
    sys.exit(uvloop.run(main()))
