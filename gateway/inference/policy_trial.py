"""Asks the engine a release's policy alone, without any client: what it refuses then is the policy's fault."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.decode import UnreadableAnswerError, decode
from postil.gateway.errors import EngineRefusedError
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.request import CompletionRequest, build_engine_request
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.inference.routing.release import LoadedRelease
from postil.plugins import ReleaseRef
from postil.registry.policy.policy import Policy

log = logging.getLogger(__name__)
# Who asks, where an engine keeps count: no tenant has such a name.
ASKED_BY = "postil-trial"
_SECONDS = 60.0
# Where a client waits for it.
_SHORT_SECONDS = 10.0
# So long what was found of a release stands: a flood of refused requests asks once.
_KEPT_SECONDS = 60.0
_MOST_KEPT = 1024
# An engine that does not answer one release's trial holds up no other's.
_AT_A_TIME = 3
# A trial need not be a whole answer.
_FEW_TOKENS = 16
# Of the labels, those that are most likely to have the most tokens.
_LONGEST = 5


class _Tokenized(msgspec.Struct):
    count: int


_tokenized = msgspec.json.Decoder(_Tokenized)


class PolicyTrials:
    """Tries policies, a few at a time, and remembers for a minute what was found; ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: dict[ReleaseRef, tuple[float, str | None]] = {}
        self._running: dict[ReleaseRef, asyncio.Task[str | None]] = {}
        self._few_at_a_time = asyncio.Semaphore(_AT_A_TIME)

    async def is_refused(self, client: EngineClient, release: LoadedRelease) -> bool:
        """Whether the engine refuses what the policy makes of any request; as known since a minute at most.

        False where that is not known in time. Raises EngineUnavailableError.
        """
        if not _makes_something(release):
            return False
        known = self._found.get(release.ref)
        if known is not None and known[0] > self._clock():
            return known[1] is not None
        try:
            async with asyncio.timeout(_SHORT_SECONDS):
                # Whoever hangs up ends no trial that others wait for.
                return await asyncio.shield(self._trial(client, release)) is not None
        except TimeoutError:
            return False

    def _trial(self, client: EngineClient, release: LoadedRelease) -> asyncio.Task[str | None]:
        """The trial of a release: one for all who wait for it."""
        running = self._running.get(release.ref)
        if running is None:
            running = self._running[release.ref] = asyncio.create_task(self._ask(client, release))
            running.add_done_callback(lambda done: self._ended(release.ref, done))
        return running

    async def _ask(self, client: EngineClient, release: LoadedRelease) -> str | None:
        async with self._few_at_a_time:
            reason = await refusal(client, release, seconds=_SHORT_SECONDS)
        if len(self._found) >= _MOST_KEPT:
            self._found.clear()
        self._found[release.ref] = (self._clock() + _KEPT_SECONDS, reason)
        return reason

    def _ended(self, ref: ReleaseRef, done: asyncio.Task[str | None]) -> None:
        del self._running[ref]
        if not done.cancelled():
            done.exception()  # Looked at, though nobody may wait for it any more.


async def refusal(client: EngineClient, release: LoadedRelease, *, seconds: float = _SECONDS) -> str | None:
    """Why the engine refuses a short request under a release's policy; None where it answers, or says nothing in time.

    The release has to be loaded. Raises EngineUnavailableError.
    """
    try:
        async with asyncio.timeout(seconds):
            await client.post(Kind.CHAT.value, trial_request(release))
    except EngineRefusedError as error:
        lost = error.status == 404 and release.engine_name.encode() in error.body
        return None if lost else error.message
    except TimeoutError:
        log.warning("the engine did not answer a trial of %s in time", release.ref)
    return None


async def too_long(client: EngineClient, policy: Policy) -> str | None:
    """Say which label has more tokens than its policy gives an answer; None where all have room.

    None as well where the engine does not tell tokens, or not in time. Raises EngineUnavailableError.
    """
    most = policy.sampling.get("max_tokens")
    if not isinstance(most, int) or policy.output is None or policy.output.labels is None:
        return None
    choices: list[str] = policy.output.constraint()["choice"]
    for answer in sorted(choices, key=lambda each: len(each.encode()), reverse=True)[:_LONGEST]:
        payload = {"model": BASE, "prompt": answer, "add_special_tokens": False}
        try:
            async with asyncio.timeout(_SHORT_SECONDS):
                count = decode(await client.post("/tokenize", payload), _tokenized).count
        except (EngineRefusedError, UnreadableAnswerError, TimeoutError):
            return None
        if count > most:
            return f"{answer} has {count} tokens, and sampling.max_tokens is {most}"
    return None


def trial_request(release: LoadedRelease) -> dict[str, Any]:
    """A short chat under a release's policy, whole."""
    body: Mapping[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
    payload = build_engine_request(CompletionRequest(Kind.CHAT, body, None, False, False), release, ASKED_BY)
    for name in ("max_tokens", "max_completion_tokens"):
        if isinstance(payload.get(name), int):
            payload[name] = min(payload[name], _FEW_TOKENS)
    if "max_completion_tokens" not in payload:
        payload.setdefault("max_tokens", _FEW_TOKENS)
    payload.pop("min_tokens", None)
    return {**payload, "user": ASKED_BY}


def _makes_something(release: LoadedRelease) -> bool:
    policy = release.policy
    return bool(policy.sampling or policy.defaults or policy.system_prompt or policy.output)
