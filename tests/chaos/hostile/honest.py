"""Honest tenants who ask a label release one question after another, and what they have to wait for."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import aiohttp

_PATIENCE_SECONDS = 60
# A client that was refused does not come again at once.
_AFTER_SECONDS = 0.5
_QUESTIONS = {
    "healthcare/triage": (
        "I have a sore throat and a fever",
        "Can I move my visit to Friday?",
        "Why was I billed twice?",
    ),
    "legal/clause": ("This agreement ends after 30 days' notice", "Fees are due within 14 days", "Keep this secret"),
    "finance/intent": ("My card was stolen", "Send 50 to my landlord", "What does a mortgage cost?"),
}


@dataclass(frozen=True, slots=True)
class Answered:
    """One honest request: when it began and ended (monotonic seconds), and what was wrong with it, if anything."""

    began: float
    ended: float
    problem: str = ""


@dataclass
class Honest:
    """One tenant, its key, and the label release that it asks."""

    url: str
    key: str
    model: str
    seen: list[Answered] = field(default_factory=list)
    ending: bool = False

    async def ask_on(self, session: aiohttp.ClientSession) -> None:
        """One request after another, until told to end."""
        for question in itertools.cycle(_QUESTIONS[self.model]):
            if self.ending:
                return
            began = time.monotonic()
            problem = await self._problem(session, question)
            self.seen.append(Answered(began, time.monotonic(), problem))
            if problem:
                await asyncio.sleep(_AFTER_SECONDS)

    async def _problem(self, session: aiohttp.ClientSession, question: str) -> str:
        body = {"model": self.model, "messages": [{"role": "user", "content": question}]}
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                session.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as response,
            ):
                text = await response.text()
                if response.status != 200:
                    return f"{self.model} was answered {response.status}: {text[:200]}"
                said = json.loads(json.loads(text)["choices"][0]["message"]["content"])
                return "" if isinstance(said, dict) and said else f"{self.model} said {said!r}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return f"{self.model}: {error!r}"


def seconds(seen: Iterable[Answered], windows: Sequence[tuple[float, float]]) -> list[float]:
    """How long those took that began in one of these windows and were answered, the shortest first."""
    answered = (one for one in seen if not one.problem)
    return sorted(one.ended - one.began for one in answered if any(begin <= one.began < end for begin, end in windows))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of what is in order; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
