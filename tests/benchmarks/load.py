"""Load on one address: whole answers by wrk, streams by plain sockets.

``python -m tests.benchmarks.load URL KEY MODEL STREAMS ANSWERS`` streams, and prints what was seen as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import uvloop

from tests.benchmarks.upstream import TOKENS

# The gateway has a core for itself; what asks and what answers share the other.
GATEWAY_CORE, LOAD_CORE = "0", "1"
_TEXT = re.compile(rb'"content": ?"[^"]')
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
wrk.body = [[%s]]
done = function(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('\\n{"requests": %%d, "microseconds": %%d, "failed": %%d, "p50_us": %%d, "p99_us": %%d}\\n',
    summary.requests, summary.duration, failed + summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Target:
    """Something that answers: where, with which key and under which name, and its process."""

    url: str
    key: str
    model: str
    pid: int

    def cpu_seconds(self) -> float:
        """What it has used of its core so far, with all processes that it has started."""
        process = psutil.Process(self.pid)
        return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])

    def body(self, **more: Any) -> str:
        """A short chat."""
        return json.dumps({"model": self.model, "messages": [{"role": "user", "content": "my head hurts"}], **more})


@dataclass(frozen=True)
class Streamed:
    """Seconds to the first text of each answer, and how many tokens they were in all."""

    first: list[float]
    tokens: int


def wrk() -> str:
    """Where wrk is. Raises SystemExit."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("this needs wrk; install it (Debian and Ubuntu: apt install wrk), and nginx to see it beside")
    return found


async def whole(
    target: Target, folder: Path, connections: int, seconds: int, *, pinned: str = LOAD_CORE
) -> dict[str, float]:
    """Whole answers as fast as they come: requests a second, latency, and processor time of the target for each."""
    script = folder / "ask.lua"
    script.write_text(_SCRIPT % (target.key, target.body()))
    command = [
        "taskset",
        "-c",
        pinned,
        wrk(),
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(script),
        f"{target.url}/v1/chat/completions",
    ]
    before = target.cpu_seconds()
    seen = await _output(command)
    if seen["failed"]:
        raise SystemExit(f"{target.url}: {seen['failed']} requests of {seen['requests']} failed")
    each = (target.cpu_seconds() - before) / max(seen["requests"], 1)
    return {
        "per_second": seen["requests"] / seen["microseconds"] * 1e6,
        "p50_ms": seen["p50_us"] / 1000,
        "p99_ms": seen["p99_us"] / 1000,
        "cpu_us": each * 1e6,
    }


async def streams(target: Target, at_once: int, answers: int) -> dict[str, float]:
    """So many streams at once, each of so many answers: time to the first token, processor time for a token."""
    command = [
        "taskset",
        "-c",
        LOAD_CORE,
        sys.executable,
        "-m",
        "tests.benchmarks.load",
        target.url,
        target.key,
        target.model,
        str(at_once),
        str(answers),
    ]
    before = target.cpu_seconds()
    seen = await _output(command)
    cpu = target.cpu_seconds() - before
    return {"first_ms": statistics.median(seen["first"]) * 1000, "cpu_us": cpu / seen["tokens"] * 1e6}


async def _output(command: list[str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[3]} failed: {out.decode()[-500:]}")
    found: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return found


async def _streamed(target: Target, at_once: int, answers: int) -> Streamed:
    first: list[float] = []

    async def one() -> None:
        for _ in range(answers):
            first.append(await _answer(target))

    await asyncio.gather(*(one() for _ in range(at_once)))
    return Streamed(first, TOKENS * len(first))


async def _answer(target: Target) -> float:
    """One stream to its end on a connection of its own; seconds to its first text."""
    place = urlsplit(target.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    body = target.body(stream=True).encode()
    began, first = time.perf_counter(), 0.0
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer %b\r\nconnection: close\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (target.key.encode(), len(body), body)
    )
    last = b""
    while b"[DONE]" not in last and (chunk := await reader.read(1 << 16)):
        if not first and _TEXT.search(chunk):
            first = time.perf_counter() - began
        last = (last + chunk)[-64:]
    writer.close()
    if b"[DONE]" not in last:
        raise SystemExit(f"{target.url}: a stream broke off: {last!r}")
    return first


if __name__ == "__main__":
    url, key, model, at_once, answers = sys.argv[1:]
    print(json.dumps(asdict(uvloop.run(_streamed(Target(url, key, model, 0), int(at_once), int(answers))))))
