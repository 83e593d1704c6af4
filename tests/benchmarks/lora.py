"""What adapters cost on a CPU, with postil's LoRA products and with vLLM's: ``python -m tests.benchmarks.lora``."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from postil.registry.base_model.prepare import prepare

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROWS = {
    "unused": {"adapters": 16, "requests": 16, "modules": ALL, "ways": ["base", "without"]},
    "16 adapters, q and v": {"adapters": 16, "requests": 16, "modules": ["q_proj", "v_proj"]},
    "16 adapters, all layers": {"adapters": 16, "requests": 16, "modules": ALL},
    "64 adapters, all layers": {"adapters": 64, "requests": 64, "modules": ALL, "ways": ["base", "grouped"]},
}
WAYS = ["base", "grouped", "plain"]
ENGINE = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # ways are switched in the engine's process
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
}


def measure(name: str, model: Path, rounds: int) -> dict[str, Any]:
    """One row, in a process of its own. Raises CalledProcessError when vLLM does not start."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "found.json"
        asked = {"ways": WAYS, **ROWS[name], "model": str(model), "rounds": rounds, "folder": folder, "to": str(to)}
        command = [sys.executable, "-m", "tests.benchmarks.lora_engine", json.dumps(asked)]
        subprocess.run(command, env={**os.environ, **ENGINE}, check=True, stdout=sys.stderr)
        found: dict[str, Any] = json.loads(to.read_text())
        return found


def show(raw: dict[str, dict[str, Any]]) -> None:
    """The table: speed as a share of the base's. Medians of ratios of neighbours in time, because machines drift."""
    table = Table("row", "phase", "base, s", "postil's", "vLLM's own", "same tokens")
    for row, found in raw.items():
        for phase in ("decode", "prefill"):
            seconds = found[phase]
            reference = seconds.get("without", seconds["base"])
            ours = seconds["base" if "without" in seconds else "grouped"]
            plain = share(reference, seconds["plain"]) if "plain" in seconds else ""
            same = str(found.get(f"{phase}: same tokens", ""))
            table.add_row(row, phase, f"{statistics.median(reference):.2f}", share(reference, ours), plain, same)
    Console(width=110).print(table)


def share(reference: list[float], taken: list[float]) -> str:
    """How fast beside the reference."""
    return f"{statistics.median(base / own for base, own in zip(reference, taken, strict=False)):.2f}"


def main(names: list[str], rounds: int = 5) -> dict[str, Any]:
    """Measure rows and show them."""
    home = Path(os.environ.get("POSTIL_HOME", ".postil")).absolute()
    model = prepare(None, home).path
    raw = {name: measure(name, model, rounds) for name in names}
    show(raw)
    return raw


if __name__ == "__main__":
    chosen = [name for name in ROWS if not sys.argv[1:] or name in sys.argv[1:]]
    main(chosen)
