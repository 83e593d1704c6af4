"""The short form of ``make bench``: every part that needs no real vLLM runs to its end. No figure is looked at."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.benchmarks import (
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
from tests.benchmarks.__main__ import parts
from tests.benchmarks.load import GATEWAY_CORE, LOAD_CORE
from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.http import Receive, Scope, Send, respond, serving
from tests.fakes.vllm import FakeVLLM, running_engine

SHORT = hop.Extent(rounds=1, seconds=1, answers=1, alone=1)
ROWS = {"whole": ("nginx", "labels"), "streams": ("direct", "windows")}
# The gateway gets one core, and whatever asks it the other.
CORES = {int(GATEWAY_CORE), int(LOAD_CORE)} <= os.sched_getaffinity(0)
# As each part's numbers lie in build/bench.json; of each as few as its tables take.
RAW: dict[str, Any] = {
    "hop": {
        "whole": {row: {"per_second": [900.0], "cpu_us": [90.0], "p50_ms": [0.5]} for row in hop.ROWS["whole"]},
        "streams": {row: {"cpu_us": [9.0, 11.0], "first_ms": [6.0]} for row in hop.ROWS["streams"]},
    },
    "start": {"seconds": [1.5], "mib": [130.0]},
    "lora": {
        "unused": {phase: {"base": [1.0], "without": [1.0]} for phase in ("decode", "prefill")},
        "16 adapters, q and v": {
            phase: {"base": [1.0], "grouped": [1.5], "plain": [3.0]} for phase in ("decode", "prefill")
        },
    },
    "many": {
        count: {
            **{what: {"ms": [1.0]} for what in ("publish", "promote", "models of one tenant", "ask, hot")},
            "gateway_mib": 130.0,
            "held_by_engine": 64,
        }
        for count in ("10", "1000")
    },
    "many, vLLM": {
        "slots": 4,
        "cold": {"cold": [0.3], "warm": [0.2]},
        "load": {
            f"Zipf, {adapters} adapters": {way: [0.1, 0.2] for way in ("postil", "vLLM alone")} for adapters in (4, 8)
        },
    },
    "Zipf": {
        "adapters": 1000,
        "in_use": 90,
        "slots": 8,
        "held": 128,
        "published_seconds": 60.0,
        "rates": {way: {"Zipf": [8.0], "fitting": [10.0]} for way in ("postil", "vLLM alone")},
    },
    "phases": {
        row: {phase: [0.5, 20.0, 30.0] for phase in phases.PHASES} for row in ("label answer", "streamed answer")
    },
    "labels": {"1 client": {way: {"ms": [100.0], "tokens": [3.0]} for way in labels.ways()}},
    "side channel": {
        row: {guess: [{"looked_up": 500, "found": 0, "seconds": 0.5}] for guess in ("right", "wrong")}
        for row in ("vLLM alone", "through postil")
    },
    "workers": {
        count: {
            row: {"per_second": [900.0], "cpu_us": [90.0], "primary_us": [30.0], "p50_ms": [0.5], "p99_ms": [1.0]}
            for row in workers.ROWS
        }
        for count in ("1", "2")
    },
    "rollback": {"last_on_old_ms": [10.0, 300.0], "problems": [], "streams": 7},
}


@pytest.mark.skipif(not CORES, reason="the gateway and the load on it need a core each")
@pytest.mark.parametrize("part", ROWS)
def test_the_hop(part: str) -> None:
    if part == "whole" and shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    raw = asyncio.run(hop.measure(SHORT, {part: ROWS[part]}))
    rows = [row for row in ROWS[part] if row != "nginx" or shutil.which("nginx")]
    assert list(hop.medians(raw, part)) == rows


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_several_workers() -> None:
    raw = asyncio.run(workers.main(2, 1, 1))
    assert {count: set(rows) for count, rows in raw.items()} == {count: {*workers.ROWS} for count in ("1", "2")}


def test_the_start_of_the_process() -> None:
    assert {what: len(found) for what, found in asyncio.run(start.main(rounds=1)).items()} == {"seconds": 1, "mib": 1}


def test_limits() -> None:
    assert len(limits.main(rounds=1, calls=10, rests=1)) == 7


def test_many_adapters() -> None:
    raw = many.main([5, 10], rounds=2, settle=0)
    assert list(raw) == ["5", "10", "restart"]
    assert raw["10"]["held_by_engine"] == 12


def test_a_rollback_under_load() -> None:
    raw = asyncio.run(rollback.main(4, 3))
    assert len(raw["command_ms"]) == 3
    assert raw["streams"]
    assert raw["problems"] == []


def test_windows_and_their_law() -> None:
    assert windowed.law(100)["cases"] >= 100
    raw = asyncio.run(windowed.main(rounds=1, sequential=1))
    assert {kind: len(raw[kind]) for kind in ("ms", "us")} == {"ms": 6, "us": 3}


async def test_where_a_requests_time_goes(tmp_path: Path) -> None:
    engine = FakeVLLM()

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/metrics":
            names = [f"vllm:request_{phase}_time_seconds" for phase in ("queue", "prefill", "decode")]
            lines = [f"{name}_sum {0.001 * engine.asked}\n{name}_count {len(engine.requests)}" for name in names]
            await respond(send, 200, "\n".join(lines).encode())
        else:
            await engine(scope, receive, send)

    kinds = {
        "label answer": phases.label_answers(write_adapter(tmp_path / "labels")),
        "streamed answer": phases.free_answers(write_adapter(tmp_path / "free", seed=1)),
    }
    base = str(write_base(tmp_path / "base"))
    async with serving(counted) as url:
        raw = await phases.measured(url, tmp_path / "home", kinds, rounds=1, POSTIL_BASE_MODEL=base)
    phases.show(raw)
    assert len(raw) == 4
    assert all(set(row) == {*phases.PHASES} and all(map(len, row.values())) for row in raw.values())
    judged = {row: found["validators"] for row, found in raw.items()}
    assert all(bool(values[0]) == row.startswith("label") for row, values in judged.items())


async def test_the_steps_of_labels() -> None:
    async with running_engine() as (engine, url):
        raw = await labels.measured(url, Path("nowhere"), rounds=1)
    labels.show(raw)
    assert [clients for clients, *_ in labels.medians(raw)] == ["1 client"] * 3 + ["8 clients"] * 3
    begun = [request for request in engine.requests if request.get("continue_final_message")]
    assert len(begun) == 2 * sum(request["max_tokens"] == 1 for request in engine.requests)


async def test_guesses_at_others_prompts() -> None:
    engine = FakeVLLM()

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/metrics":
            asked = len(engine.requests)
            lines = [f'vllm:prefix_cache_{what}_total{{engine="0"}} {asked}' for what in ("queries", "hits")]
            await respond(send, 200, "\n".join(lines).encode())
        else:
            await engine(scope, receive, send)

    async with serving(counted) as url:
        with httpx.Client(base_url=url) as client:
            plain = side_channel.plainly(client)
            raw = await asyncio.to_thread(side_channel.compare, client, {"one": (plain, plain)}, 2)
    assert {guess: len(made) for guess, made in raw["one"].items()} == {"right": 2, "wrong": 2}


async def test_many_more_adapters_than_slots(tmp_path: Path) -> None:
    base = str(write_base(tmp_path / "base"))
    async with running_engine() as (_, url):
        raw = await many_zipf.measured(
            url,
            tmp_path,
            adapters=24,
            rounds=1,
            write=lambda folder, number: write_adapter(folder, seed=number),
            POSTIL_BASE_MODEL=base,
        )
    many_zipf.show(raw)
    assert {len(rates) for found in raw["rates"].values() for rates in found.values()} == {1}


def test_the_page_has_every_part_with_its_pictures(tmp_path: Path) -> None:
    where = dict.fromkeys(RAW, results.where())
    page = results.write({**RAW, "where": where}, tmp_path)
    text = page.read_text()
    assert set(RAW) == set(results.PARTS)
    for title, _ in results.PARTS.values():
        assert f"\n## {title}\n" in text
    pictures = {line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")}
    assert {f"results/{made.name}" for made in (tmp_path / "results").glob("*.png")} == pictures
    assert all((tmp_path / picture).stat().st_size for picture in pictures)
    assert "What holds it" in text


def test_the_tables_of_what_the_short_form_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    tables = {"hop": hop.show, "lora": lora.show, "many, vLLM": many_engine.show, "side channel": side_channel.show}
    for part, table in tables.items():
        table(RAW[part])
        assert len(capsys.readouterr().out.splitlines()) > 4


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_every_part_of_the_page_can_be_measured_again() -> None:
    assert set(results.PARTS) <= set(parts())
