"""Shadow releases: they get copies of answered requests, and their answers are compared, not shown."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from postil.gateway.errors import DeadlinePassedError, EngineRefusedError, GatewayError, QueueFullError
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.record import RequestOutcome, RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.inference.streaming import sse
from postil.gateway.tenancy.directory import Caller
from postil.plugins import ReleaseRef
from postil.registry.releases.shadow_agreement import Compared

log = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
_AT_ONCE = 2
AgreementCounts = Mapping[Compared, int]


class Shadows:
    """Copies for shadow releases, sent after the answer has left, a few at a time; what is too many is skipped.

    ``complete`` answers a request whole; ``keep`` stores counts, and may block.
    """

    def __init__(
        self, complete: Callable[[Caller, CompletionRequest], Awaitable[bytes]], keep: Callable[[AgreementCounts], None]
    ) -> None:
        self._complete = complete
        self._keep = keep
        self._counts: Counter[Compared] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def started(self, record: RequestRecord) -> None:
        """Nothing is sent before there is an answer to compare with."""

    def finished(self, record: RequestRecord) -> None:
        """A request has ended; if it was answered and its release has a shadow, send that a copy."""
        shadow = record.route.shadow
        if shadow is None or not record.raw or record.engine_error or record.outcome is not RequestOutcome.ANSWERED:
            return
        if len(self._tasks) >= _AT_ONCE:
            self._counts[Compared(record.route.release.ref, shadow.ref, "skipped")] += 1
            return
        task = asyncio.create_task(self._compare(record, record.route.release.ref, shadow, b"".join(record.raw)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count(self, counts: AgreementCounts) -> None:
        """Add the counts of another process."""
        self._counts.update(counts)

    async def run(self) -> None:
        """Store the counts as they come; until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Store what was counted since the last time; kept for the next time if that fails."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await asyncio.to_thread(self._keep, counts)
        except Exception:
            log.exception("the agreement of shadows could not be stored; it is kept and tried again")
            self._counts.update(counts)

    async def stop(self) -> None:
        """Drop the copies that are on their way and store the rest."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.flush()

    async def _compare(self, record: RequestRecord, answered: ReleaseRef, release: LoadedRelease, raw: bytes) -> None:
        shadow, body = release.ref, _whole(record.request.body)
        # Its tenant need not have the right to ask for it by its number.
        copy = replace(
            record.request, model=str(shadow), release=release, stream=False, body=body, deadline=None, on_held=None
        )
        try:
            theirs = texts_of(copy.kind, await self._complete(record.caller, copy))
            verdict = "agreed" if same(texts_of(copy.kind, raw), theirs) else "differed"
        except (QueueFullError, DeadlinePassedError):  # Nothing of the shadow's: it had no turn.
            verdict = "skipped"
        except (GatewayError, EngineRefusedError):
            verdict = "failed"
        except Exception as error:  # Of the answer's form nothing is promised, and a shadow must not make noise.
            log.warning("the answer of shadow %s could not be compared: %s", shadow, type(error).__name__)
            verdict = "failed"
        self._counts[Compared(answered, shadow, verdict)] += 1


def _whole(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in ("stream", "stream_options")}


def texts_of(kind: Kind, raw: bytes) -> list[str]:
    """The texts of an answer, by choice, from its JSON or from its server-sent events."""
    texts: dict[int, str] = {}
    for part in _parts(raw):
        for choice in part.get("choices") or ():
            texts[choice["index"]] = texts.get(choice["index"], "") + FORMATS[kind].compared(choice)
    return [text for _, text in sorted(texts.items())]


def _parts(raw: bytes) -> Iterable[dict[str, Any]]:
    if not raw.lstrip().startswith(b"data:"):
        return [msgspec.json.decode(raw)]
    return [msgspec.json.decode(data) for data in sse.read_all(raw)]


def same(ours: list[str], theirs: list[str]) -> bool:
    """Whether two answers say the same: the same text, or JSON of the same value, in every choice."""
    return len(ours) == len(theirs) and all(_same(one, other) for one, other in zip(ours, theirs, strict=True))


def _same(one: str, other: str) -> bool:
    if one.strip() == other.strip():
        return True
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except msgspec.DecodeError:
        return False
