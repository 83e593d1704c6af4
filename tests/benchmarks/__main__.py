"""Every benchmark, one after the other: ``make bench``. The raw numbers go to ``build/bench.json``."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

from tests.benchmarks import canary_simulation, hop, lora, many, many_engine, rollback, windowed


def main() -> None:
    """Measure, show, keep."""
    raw = {"hop": asyncio.run(hop.main()), "rollback": asyncio.run(rollback.main())}
    raw |= {"windows": asyncio.run(windowed.main()), "law of windows": windowed.law(windowed.CASES)}
    raw["many"] = many.main()
    canary_simulation.main(short=True)
    if importlib.util.find_spec("vllm"):
        raw["lora"] = lora.main(lora.SHORT)
        raw["many, vLLM"] = many_engine.main()
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps(raw, indent=2))


if __name__ == "__main__":
    main()
