"""Every benchmark, one after the other: ``make bench``. The page is ``RESULTS.md`` beside this.

``python -m tests.benchmarks PART ...`` measures some of them again, and keeps what is known of the others.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any

from tests.benchmarks import (
    canary_simulation,
    hop,
    labels,
    limits,
    lora,
    many,
    many_engine,
    many_zipf,
    phases,
    results,
    rollback,
    side_channel,
    start,
    windowed,
    workers,
)

Parts = dict[str, Callable[[], Any]]


def parts() -> Parts:
    """What can be measured here, by name."""
    found: Parts = {
        "hop": lambda: asyncio.run(hop.main()),
        "start": lambda: asyncio.run(start.main()),
        "limits": limits.main,
        "many": many.main,
        "rollback": lambda: asyncio.run(rollback.main()),
        "workers": lambda: asyncio.run(workers.main()),
        "windows": lambda: asyncio.run(windowed.main()),
        "law of windows": lambda: windowed.law(windowed.CASES),
        "canary": lambda: canary_simulation.main(short=True),
    }
    engine: Parts = {
        "phases": lambda: asyncio.run(phases.main()),
        "labels": lambda: asyncio.run(labels.main()),
        "lora": lambda: lora.main(list(lora.ROWS)),
        "many, vLLM": many_engine.main,
        "Zipf": lambda: asyncio.run(many_zipf.main()),
        "side channel": side_channel.main,
    }
    return found | (engine if importlib.util.find_spec("vllm") else {})


def main(names: list[str]) -> None:
    """Measure, show, keep."""
    known = parts()
    unknown = sorted({*names} - {*known})
    if unknown:
        raise SystemExit(f"there is no part {unknown[0]!r}; there are: {', '.join(known)}")
    results.RAW.parent.mkdir(exist_ok=True)
    raw = json.loads(results.RAW.read_text()) if names and results.RAW.exists() else {}
    for name in names or known:
        raw |= {name: known[name](), "where": {**raw.get("where", {}), name: results.where()}}
        results.RAW.write_text(json.dumps(raw, indent=2))  # One that fails takes none of the others with it.
    page = results.write(raw)
    print(f"written: {page.relative_to(page.parents[2])}")


if __name__ == "__main__":
    main(sys.argv[1:])
