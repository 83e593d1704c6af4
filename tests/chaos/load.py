"""Clients who ask without end and look closely at each answer: whose it is, whether it is whole, and to what."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import aiohttp

from tests.chaos.scenario import ADAPTER

# What a client may be told when it cannot be answered: come again.
_CLEAN = (429, 503)
_PATIENCE_SECONDS = 60
_STEADY = 20


class Outcome(Enum):
    """What became of one request."""

    ANSWERED = "answered"
    FAILED = "failed cleanly"
    LOST = "lost"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: when it began and ended (monotonic), what became of it, and why."""

    began: float
    ended: float
    outcome: Outcome
    why: str = ""


@dataclass
class Load:
    """So many clients of what ``pick`` says; ``marks`` is what answers have to say, by release.

    ``breaks``: the process at the other end is killed, so that a broken connection is all that can tell a client.
    """

    pick: Callable[[], str]
    key: str
    marks: Mapping[str, str]
    streams: Callable[[int], bool] = lambda number: number % 2 == 0
    seen: list[Seen] = field(default_factory=list)
    ending: bool = False
    breaks: bool = False
    numbers: Any = field(default_factory=itertools.count)

    def count(self, outcome: Outcome) -> int:
        """How many ended so."""
        return sum(seen.outcome is outcome for seen in self.seen)

    def problems(self) -> list[str]:
        """What must not be, in words."""
        bad = (Outcome.LOST, Outcome.WRONG)
        return [f"{seen.outcome.value}: {seen.why}" for seen in self.seen if seen.outcome in bad]

    def recovered(self, struck: float) -> float:
        """Seconds from the fault to the end of the last request that failed after it; 0 if none did."""
        return max((seen.ended - struck for seen in self.seen if _bad(seen) and seen.ended >= struck), default=0.0)

    async def steady(self, since: float) -> None:
        """Wait until many requests in a row that began after ``since`` were answered."""
        deadline = time.monotonic() + _PATIENCE_SECONDS * 2
        while True:
            last = [seen for seen in self.seen[-_STEADY:] if seen.began > since and not _bad(seen)]
            if len(last) == _STEADY:
                return
            assert time.monotonic() < deadline, f"no answers: {self.seen[-3:]}"
            await asyncio.sleep(0.02)

    async def client(self, session: aiohttp.ClientSession) -> None:
        """One request after another."""
        while not self.ending:
            number = next(self.numbers)
            began = time.monotonic()
            outcome, why = await self._asked(session, number)
            self.seen.append(Seen(began, time.monotonic(), outcome, why))
            if outcome is not Outcome.ANSWERED:
                await asyncio.sleep(0.1)

    async def _asked(self, session: aiohttp.ClientSession, number: int) -> tuple[Outcome, str]:
        stream = self.streams(number)
        body = {"model": ADAPTER, "stream": stream, "messages": [{"role": "user", "content": f"asked-{number}"}]}
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                session.post(f"{self.pick()}/v1/chat/completions", json=body, headers=headers) as response,
            ):
                text = await response.text()
                return self._judged(response, text, number, stream)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            broken = self.breaks and not isinstance(error, TimeoutError)
            return Outcome.FAILED if broken else Outcome.LOST, repr(error)

    def _judged(self, response: aiohttp.ClientResponse, text: str, number: int, stream: bool) -> tuple[Outcome, str]:
        if response.status != 200:
            return _refused(response, text)
        if not stream:
            said = json.loads(text)["choices"][0]["message"]["content"]
            return self._right(response.headers["x-postil-release"], said, number)
        events = [line.removeprefix("data: ") for line in text.splitlines() if line]
        if events and events[-1] == "[DONE]":
            parts = [json.loads(event) for event in events[:-1]]
            said = "".join(part["choices"][0]["delta"].get("content") or "" for part in parts)
            return self._right(response.headers["x-postil-release"], said, number)
        if events and json.loads(events[-1]).get("error", {}).get("code"):
            return Outcome.FAILED, events[-1]
        return Outcome.WRONG, f"a stream ended without its end and without an error: {text[-80:]!r}"

    def _right(self, release: str, said: str, number: int) -> tuple[Outcome, str]:
        words = said.split()
        if words[:3] == [*self.marks[release].split(), f"asked-{number}"] and words[-1] == "end":
            return Outcome.ANSWERED, release
        return Outcome.WRONG, f"{release} was asked {number} and said {said[:80]!r}"


def _bad(seen: Seen) -> bool:
    return seen.outcome is not Outcome.ANSWERED


def _refused(response: aiohttp.ClientResponse, text: str) -> tuple[Outcome, str]:
    try:
        code = json.loads(text)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return Outcome.WRONG, f"{response.status} without an error of its own: {text[:80]!r}"
    if response.status in _CLEAN and code and "retry-after" in response.headers:
        return Outcome.FAILED, f"{response.status} {code}"
    return Outcome.WRONG, f"{response.status} {text[:120]}"


@asynccontextmanager
async def asking(load: Load, clients: int) -> AsyncIterator[None]:
    """The clients at work; after the block each ends its request."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(load.client(session))
        try:
            yield
        finally:
            load.ending = True
