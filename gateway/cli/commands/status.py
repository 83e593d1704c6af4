"""``postil status``."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.commands.canary_steps import show_steps
from postil.gateway.cli.output import AsJson, console, print_json, print_table
from postil.gateway.cli.plugin_versions import describe_mismatches


def status(as_json: AsJson = False) -> None:
    """Show the state of the engine, the releases that it should hold and holds, and running comparisons."""
    with connected() as client:
        state = call(client, "GET", "/api/v1/status")
    if as_json:
        print_json(state)
        return
    out = console()
    out.print(f"engine: {state['engine']}" + (f" ({state['problem']})" if state["problem"] else ""))
    out.print(f"base:   {state['base'] or 'not prepared yet'}")
    if state["workers"] > 1:
        out.print(f"workers: {state['workers_serving']} of {state['workers']} take requests")
    out.print()
    rows = [
        (row["release"], ", ".join(row["reasons"]), "yes" if row["loaded"] else "no", *_trouble(row))
        for row in state["adapters"]
    ]
    print_table(["release", "reason", "loaded", "plugins changed", "problem"], rows, empty="no release is live")
    for row in state["adapters"]:
        for warning in row["warnings"]:
            out.print(Text(f"warning: {row['release']}: {warning}"))
    if state["comparisons"]:
        out.print()
        _show_comparisons(state["comparisons"])
    if state["canaries_in_steps"]:
        out.print()
        _show_steps(state["canaries_in_steps"])


def _trouble(row: dict[str, Any]) -> tuple[str, str]:
    """Return plugins that differ from those at publish, and the reason why a release cannot be loaded."""
    tried = f" (tried {row['attempts']} times)" if row["attempts"] else ""
    return describe_mismatches(row["mismatches"]), f"{row['problem'] or ''}{tried}"


def _show_comparisons(comparisons: list[dict[str, Any]]) -> None:
    """Print the running comparisons; a candidate that reaches the threshold is rolled back automatically."""
    rows = [
        (
            comparison["candidate"],
            comparison["baseline"],
            signal["signal"],
            f"{signal['candidate_failures']} of {signal['candidate_total']}",
            f"{signal['baseline_failures']} of {signal['baseline_total']}",
            f"{signal['tenants_affected']} of {signal['tenants']}",
            f"{signal['e_value']:.3g}",
            f"{signal['threshold']:g}",
        )
        for comparison in comparisons
        for signal in comparison["evidence"]
    ]
    columns = ["candidate", "baseline", "signal", "candidate's", "baseline's", "tenants", "e-value", "alarm at"]
    print_table(columns, rows, empty="")


def _show_steps(canaries: list[dict[str, Any]]) -> None:
    """Print the canaries that are raised in steps, and what their next step waits for."""
    rows = [(row["release"], show_steps(row), row["waits_for"]) for row in canaries]
    print_table(["canary", "steps", "the next step"], rows, empty="")
