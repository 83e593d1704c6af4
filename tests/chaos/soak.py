"""Mixed traffic without a pause: what a gateway holds at the end is what it held before."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos.load import Load, Outcome, asking
from tests.chaos.scenario import ADAPTER, Gateway, gateway
from tests.chaos.verdict import Row

_CLIENTS = 12
# By how much the median of the last third may be over that of the second: the first is for filling caches.
_MOST = {"memory": 4 << 20, "files": 4, "tasks": 6}
_MESSAGES = [{"role": "user", "content": "go"}]


async def soak(folder: Path, seconds: int) -> Row:
    """So many seconds of answers, streams, clients who leave, bad requests, releases that go live, and questions."""
    row = Row(f"soak, {seconds} s", 1)
    async with gateway(folder) as town:
        load = Load(lambda: town.url, town.key, await town.settle())
        async with asking(load, _CLIENTS):
            until, done = time.monotonic() + seconds, 0
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {town.key}"}) as session:
                while time.monotonic() < until:
                    await _odd(session, town, done)
                    done += 1
                    await asyncio.sleep(0.02)
        row.add(load)
        row.sent += done
        row.check(load.count(Outcome.FAILED) == 0, "requests failed though nothing was broken")
        _judge(row, [json.loads(line) for line in (town.folder / "held").read_text().splitlines()])
    return row


async def _odd(session: aiohttp.ClientSession, town: Gateway, turn: int) -> None:
    """One of the things that go on beside plain requests."""
    url = f"{town.url}/v1/chat/completions"
    match turn % 6:
        case 0:  # A client that leaves in the middle.
            async with session.post(url, json={"model": ADAPTER, "stream": True, "messages": _MESSAGES}) as response:
                assert response.status == 200
                await response.content.readany()
                response.close()
        case 1:
            headers = {"content-type": "application/json"}
            async with session.post(url, data=b"{" * random.randint(1, 2000), headers=headers) as response:
                assert response.status == 400
        case 2:
            async with session.post(url, json={"model": "chaos/nobody", "messages": _MESSAGES}) as response:
                assert response.status == 404
        case 3:
            status, said = await town.promote(turn // 6 % 3 + 1)
            assert status == 200 or "is live already" in said["detail"], said
        case 4:
            status, _ = await town.api("GET", "/api/v1/adapters")
            assert status == 200
        case _:
            async with session.get(f"{town.url}/v1/models", headers={"Connection": "close"}) as response:
                assert response.status == 200


def _judge(row: Row, held: list[dict[str, Any]]) -> None:
    """Compare the last third with the one before."""
    third = len(held) // 3
    for what, most in _MOST.items():
        before, after = (
            statistics.median(sample[what] for sample in part) for part in (held[third : 2 * third], held[2 * third :])
        )
        row.notes[what] = [before, after]
        row.check(after - before <= most, f"{what} grew from {before:,.0f} to {after:,.0f} while the load was the same")
