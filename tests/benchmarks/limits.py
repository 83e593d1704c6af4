"""What limits and the counting of usage add to one request: ``python -m tests.benchmarks.limits``."""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable

from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from rich.console import Console
from rich.table import Table

from postil.gateway.engine.client import EngineClient
from postil.gateway.inference.metering import MeteredEngine, UsageMeter
from postil.gateway.inference.streaming.usage_filter import Fingerprint, UsageFilter, of_answer
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.quota import PerMinute, Quota, quota
from postil.gateway.tenancy.rate_limiter import RateLimiter
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.tenancy.window_counts import WindowCounts
from postil.plugins import ReleaseRef
from postil.registry.accounts.limits import TenantLimits
from postil.registry.db.database import Database

ROUNDS, CALLS, RESTS = 7, 20_000, 100
_USED = {"prompt_tokens": 30, "total_tokens": 150, "completion_tokens": 120}


def _json(**body: object) -> bytes:
    return json.dumps({"id": "chatcmpl-1", "created": 1, **body}, separators=(",", ":")).encode()


def _event(finish: str | None) -> bytes:
    choice = {"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": finish}
    return b"data: " + _json(choices=[choice], usage=_USED) + b"\n\n"


ANSWER = _json(choices=[{"index": 0, "message": {"role": "assistant", "content": 600 * "x"}}], usage=_USED)
PIECE, LAST = _event(None), _event("stop")
TOTAL = b"data: " + _json(choices=[], usage=_USED, system_fingerprint="vllm-0.32.0") + b"\n\n"


def microseconds(act: Callable[[], object], rounds: int, calls: int) -> float:
    """The processor time of one call: the best of some rounds."""
    return min(timeit.repeat(act, number=calls, repeat=rounds, timer=time.process_time)) / calls * 1e6


def main(rounds: int = ROUNDS, calls: int = CALLS, rests: int = RESTS) -> dict[str, float]:
    """Measure, show, and return microseconds by what was measured."""
    found = {name: microseconds(act, rounds, calls) for name, act in _cases().items()}
    found["the package's own storage, a hit after 15 ms of rest"] = _rested(rests)
    table = Table("us", "", box=None)
    for name, value in found.items():
        table.add_row(f"{value:.1f}", name)
    Console().print(table)
    return found


def _cases() -> dict[str, Callable[[], object]]:
    counts = WindowCounts()
    limiter = RateLimiter(counts)
    meter = UsageMeter(UsageLedger(_no_database, counts), limiter)
    made = quota("clinic", TenantLimits(10**9, 10**9, 10**12, 100))
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    return {
        "let in and out, without limits": _through(limiter, None),
        "let in and out, four limits": _through(limiter, made),
        "a whole answer counted, without limits": _counted(meter, None),
        "a whole answer counted, four limits": _counted(meter, made),
        "one event of a stream": lambda: passing.read(PIECE),
        "what ends a stream": _ended,
    }


def _through(limiter: RateLimiter, made: Quota | None) -> Callable[[], object]:
    def act() -> None:
        limiter.admit(made)
        limiter.left(made)

    return act


def _counted(meter: UsageMeter, made: Quota | None) -> Callable[[], object]:
    """All that ``MeteredEngine.post`` does around the engine's client."""
    client = EngineClient("http://nowhere", timeout_seconds=1)
    caller, ref = Caller("clinic", frozenset({"healthcare"}), limits=made), ReleaseRef("healthcare", "triage", 1)

    def act() -> None:
        metered: MeteredEngine = meter.on(client, caller, ref)
        metered.note(of_answer(ANSWER), {})

    return act


def _ended() -> None:
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    for event in (LAST, TOTAL, b"data: [DONE]\n\n"):
        passing.read(event)
    passing.used()


def _rested(rests: int) -> float:
    strategy, item = SlidingWindowCounterRateLimiter(MemoryStorage()), PerMinute(10**9)
    took = 0.0
    for _ in range(rests):
        time.sleep(0.015)
        began = time.perf_counter()
        strategy.hit(item, "clinic")
        took += time.perf_counter() - began
    return took / rests * 1e6


def _no_database() -> Database:
    raise AssertionError("nothing is flushed here")


if __name__ == "__main__":
    main()
