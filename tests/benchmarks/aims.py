"""What is aimed at, and how far each measured figure is from it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from postil.gateway.settings import Settings
from tests.benchmarks import many_zipf
from tests.benchmarks.hop import medians

Found = Mapping[str, Any]
# POSTIL_MAX_CPU_LORAS, as it is where nobody says otherwise.
_HELD = Settings.model_fields["max_cpu_loras"].default


@dataclass(frozen=True)
class Aim:
    """A figure beside its aim; ``beside`` says what else was measured in the same run, ``holds`` what keeps it back.

    ``met`` is None where nothing is aimed at.
    """

    what: str
    aim: str
    figure: str
    met: bool | None
    beside: str = ""
    holds: str = ""


def none(raw: Found) -> Iterator[Aim]:
    """What is only to be seen has a table, and no aim."""
    yield from ()


def hop_aims(raw: Found) -> Iterator[Aim]:
    """A gateway's hop. Answers a second are those of one core: what the processor time of each allows."""
    whole, streams = medians(dict(raw), "whole"), medians(dict(raw), "streams")
    for row, what in (("base", "passed on unread"), ("labels", "policy, log-probabilities, two validators")):
        rate = 1e6 / whole[row]["cpu_us"]
        beside = _beside(whole, lambda one: f"{1e6 / one['cpu_us']:,.0f}")
        yield Aim(
            f"whole answers a second and core, {what}",
            "3,000; then 5,000",
            f"{rate:,.0f}",
            rate >= 5000,
            beside,
            "" if row == "base" else "the validators, and writing the answer anew",
        )
    for row in ("base", "labels"):
        added = whole[row]["p50_ms"] - whole["direct"]["p50_ms"]
        beside = _beside(whole, lambda one: f"{one['p50_ms'] - whole['direct']['p50_ms']:.2f} ms")
        yield Aim(
            f"added to an answer at the median, one connection, {row}",
            "0.5 ms",
            f"{added:.2f} ms",
            added <= 0.5,
            beside,
        )
    for row, most in (("release", 80), ("windows", 120)):
        cost, found = streams[row]["cpu_us"], raw["streams"][row]["cpu_us"]
        what = "no validator" if row == "release" else "validators with windows"
        spread = " to ".join(f"{value:.0f}" for value in (min(found), max(found)))
        figure = f"{cost:.0f} us ({spread})"
        yield Aim(
            f"processor time of a streamed token, {what}",
            f"{most} us",
            figure,
            cost <= most,
            _beside(streams, lambda one: f"{one['cpu_us']:,.0f} us"),
        )
    for row in ("release", "windows"):
        later = streams[row]["first_ms"] - streams["direct"]["first_ms"]
        held = row == "windows"  # A window holds text back until it is full: that is what it is for.
        yield Aim(
            f"first token of a stream later by, {row}",
            "-" if held else "1 ms",
            f"{later:.2f} ms",
            None if held else later < 1,
            _beside(streams, lambda one: f"{one['first_ms'] - streams['direct']['first_ms']:.2f} ms"),
        )


def _beside(rows: Mapping[str, Mapping[str, float]], figure: Callable[[Mapping[str, float]], str]) -> str:
    """What stood beside it in the same rounds."""
    return "; ".join(f"{rival} {figure(rows[rival])}" for rival in ("nginx", "LiteLLM") if rival in rows)


def start_aims(raw: Found) -> Iterator[Aim]:
    """Starting the gateway's process."""
    seconds, memory = statistics.median(raw["seconds"]), statistics.median(raw["mib"])
    yield Aim("gateway ready after", "2 s", f"{seconds:.1f} s", seconds < 2)
    yield Aim("gateway's resident memory", "150 MB", f"{memory * 1.048576:.0f} MB", memory * 1.048576 < 150)


_DECODE_HOLDS = (
    "each adapter's own weights (at rank 8 10 MB on all layers, 2 MB on q and v) are read at every step, and each layer"
    " is one call more"
)
_PREFILL_HOLDS = "a product of low rank multiplies less for what it reads and writes than the base's do"


def lora_aims(raw: Found) -> Iterator[Aim]:
    """Adapters on a CPU, as shares of the base's speed."""
    for row, found in raw.items():
        for phase in ("decode", "prefill"):
            seconds = found[phase]
            unused = "without" in seconds
            reference, ours = seconds["without" if unused else "base"], seconds["base" if unused else "grouped"]
            least = 0.98 if unused else 0.85 if row.startswith("64") else 0.95
            share = _share(reference, ours)
            beside = f"vLLM's own {_share(reference, seconds['plain']):.2f}" if "plain" in seconds else ""
            holds = _PREFILL_HOLDS if phase == "prefill" else _DECODE_HOLDS
            yield Aim(
                f"LoRA, {row}: {phase}, share of the base's speed",
                f"{least}",
                f"{share:.2f}",
                share >= least,
                beside,
                "" if share >= least else holds,
            )


def rollback_aims(raw: Found) -> Iterator[Aim]:
    """Taking a release back under load."""
    last = sorted(raw["last_on_old_ms"])
    worst = last[int(0.99 * (len(last) - 1))]
    problems = len(raw["problems"])
    yield Aim("last new request on the old release after a rollback, p99", "250 ms", f"{worst:.0f} ms", worst <= 250)
    yield Aim("failed, cut or mixed answers meanwhile", "0", f"{problems} of {raw['streams']:,}", not problems)


def _share(reference: list[float], taken: list[float]) -> float:
    return statistics.median(base / own for base, own in zip(reference, taken, strict=False))


def many_aims(raw: Found) -> Iterator[Aim]:
    """What grows with the adapters registered. Flat is less than half as much again: the noise of a small machine."""
    counts = [count for count in raw if count != "restart"]
    first, last = raw[counts[0]], raw[counts[-1]]
    for what in ("publish", "promote", "models of one tenant", "ask, hot"):
        before, after = (statistics.median(each[what]["ms"]) for each in (first, last))
        growth, figure = after / before, f"{before:.1f} -> {after:.1f} ms"
        yield Aim(f"{what}, {counts[0]} to {counts[-1]} adapters", "flat", figure, growth < 1.5)
    more = (last["gateway_mib"] - first["gateway_mib"]) / (int(counts[-1]) - int(counts[0])) * 1024
    yield Aim("gateway's memory for each adapter registered", "-", f"{more:.0f} KiB", None)
    held = last["held_by_engine"]
    yield Aim("adapters in the engine's memory", f"{_HELD} at most", str(held), held <= _HELD)


def many_engine_aims(raw: Found) -> Iterator[Aim]:
    """More adapters in use than slots, on the real vLLM."""
    for row, ways in raw["load"].items():
        pattern, _, adapters = row.partition(", ")
        if adapters == f"{raw['slots']} adapters":
            continue
        fitting = raw["load"][f"{pattern}, {raw['slots']} adapters"]
        shares = {way: _worst(seconds) / _worst(fitting[way]) for way, seconds in ways.items()}
        yield Aim(
            f"{row} over {raw['slots']} slots: p99 to first token beside the fitting case",
            "3 times",
            f"{shares['postil']:.1f}",
            shares["postil"] <= 3,
            f"vLLM alone {shares['vLLM alone']:.1f}",
            "" if shares["postil"] <= 3 else "a slot that is emptied for another adapter is refilled late",
        )
    cold, warm = (statistics.median(raw["cold"][state]) for state in ("cold", "warm"))
    later = 1000 * (cold - warm)
    yield Aim("a cold adapter's first token later by", "150 ms", f"{later:.0f} ms", later <= 150)


def zipf_aims(raw: Found) -> Iterator[Aim]:
    """Many more adapters than slots, on the real vLLM."""
    shares = {way: many_zipf.share(found) for way, found in raw["rates"].items()}
    what = f"Zipf over {raw['adapters']:,} adapters, {raw['in_use']} of them asked: answers a second"
    yield Aim(
        f"{what}, beside the same load on {raw['slots']}",
        "0.9 times",
        f"{shares['postil']:.2f}",
        shares["postil"] >= 0.9,
        f"vLLM alone {shares['vLLM alone']:.2f}",
        "" if shares["postil"] >= 0.9 else "a slot is filled anew for each adapter that has none",
    )


def side_channel_aims(raw: Found) -> Iterator[Aim]:
    """What is found of another tenant's prompt, in the mean of the guesses that are right."""
    found = {row: statistics.mean(one["found"] for one in kinds["right"]) for row, kinds in raw.items()}
    yield Aim(
        "tokens of another tenant's prompt that a right guess finds computed",
        "0",
        f"{found['through postil']:.0f}",
        not found["through postil"],
        f"vLLM alone {found['vLLM alone']:.0f}",
    )


def _worst(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]
