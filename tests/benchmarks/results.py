"""The page and the pictures of what was measured: ``python -m tests.benchmarks.results`` from ``build/bench.json``."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks import aims
from tests.benchmarks.aims import Aim
from tests.benchmarks.hop import medians
from tests.benchmarks.pictures import bars, stacked
from tests.benchmarks.tables import TABLES

RAW = Path("build/bench.json")
# The page is in this folder, with its pictures and the raw numbers in one beside it.
HERE = Path(__file__).parent
PAGE, BESIDE = "RESULTS.md", "results"
PARTS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Iterator[Aim]]]] = {
    "hop": ("The hop", aims.hop_aims),
    "phases": ("Where a request's time goes", aims.none),
    "labels": ("What a label costs in steps of the engine", aims.none),
    "start": ("The gateway's process", aims.start_aims),
    "workers": ("Several workers", aims.none),
    "lora": ("Adapters on a CPU", aims.lora_aims),
    "many": ("Many adapters registered", aims.many_aims),
    "many, vLLM": ("Many adapters in use, on the real vLLM", aims.many_engine_aims),
    "Zipf": ("A thousand adapters, on the real vLLM", aims.zipf_aims),
    "rollback": ("Rollback under load", aims.rollback_aims),
    "side channel": ("What answers tell of others' prompts", aims.side_channel_aims),
}
_MET = {True: "yes", False: "no", None: ""}


def where() -> str:
    """When and where it is measured, in a sentence."""
    memory = psutil.virtual_memory().total / 2**30
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    cores, version = psutil.cpu_count(), platform.python_version()
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores ({model}), {memory:.0f} GiB, Python {version}."


def write(raw: Mapping[str, Any], folder: Path = HERE) -> Path:
    """Write the page and the pictures of the parts that were measured into a folder; returns where the page is."""
    page, beside = folder / PAGE, folder / BESIDE
    beside.mkdir(exist_ok=True)
    lines = [
        "# What was measured",
        "",
        "Made by `make bench`. What stands side by side was measured in turns in one run; figures are medians.",
        "[How to read them](README.md). The raw numbers are in [results/bench.json](results/bench.json).",
        "",
    ]
    for part, (title, found) in PARTS.items():
        if part in raw:
            lines += [f"## {title}", "", raw["where"][part], "", *_table(list(found(raw[part]))), ""]
            lines += [*TABLES[part](raw[part]), ""] if part in TABLES else []
            lines += [f"![{title}](results/{name})\n" for name in _pictures(part, raw[part], beside)]
    missed = [aim for part, (_, found) in PARTS.items() if part in raw for aim in found(raw[part]) if aim.met is False]
    lines += ["## What is missed", ""]
    lines += [_missed(aim) for aim in missed] or ["Nothing."]
    page.write_text("\n".join(lines).replace("\n\n\n", "\n\n") + "\n")
    (beside / "bench.json").write_text(json.dumps(raw, indent=1) + "\n")
    return page


def _missed(aim: Aim) -> str:
    held = f" What holds it: {aim.holds}." if aim.holds else ""
    return f"- {aim.what}: {aim.figure}, aimed at {aim.aim}.{held}"


def _table(found: list[Aim]) -> list[str]:
    if not found:
        return []
    rows = [f"| {aim.what} | {aim.aim} | **{aim.figure}** | {_MET[aim.met]} | {aim.beside} |" for aim in found]
    return ["| | aim | measured | met | beside |", "| --- | --- | --: | --- | --- |", *rows]


def _pictures(part: str, raw: Mapping[str, Any], beside: Path) -> Iterator[str]:
    if part == "hop":
        for which, what in (("whole", "whole answer"), ("streams", "streamed token")):
            rows = {row: one["cpu_us"] for row, one in medians(dict(raw), which).items() if row != "direct"}
            yield bars(beside / f"hop-{which}.png", f"Processor time of a {what}, us", rows)
    if part == "phases":
        yield stacked(beside / "phases.png", "Where a request's time goes", raw)
    if part == "lora":
        rows = {
            aim.what.removeprefix("LoRA, ").removesuffix(", share of the base's speed"): float(aim.figure)
            for aim in aims.lora_aims(raw)
        }
        yield bars(beside / "lora.png", "Speed with adapters, as a share of the base's", rows, scale="linear")


if __name__ == "__main__":
    write(json.loads(RAW.read_text()))
