"""``postil status``."""

from __future__ import annotations

from typing import Any

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.output import AsJson, console, print_json, print_table
from postil.gateway.cli.plugin_versions import describe_mismatches


def status(as_json: AsJson = False) -> None:
    """Show what the engine is doing, which releases it has to hold and does, and what is under watch."""
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
        (row["release"], ", ".join(row["why"]), "yes" if row["resident"] else "no", *_trouble(row))
        for row in state["adapters"]
    ]
    print_table(["release", "because", "in the engine", "plugins changed", "problem"], rows, empty="no release is live")
    if state["watches"]:
        out.print()
        _show_watches(state["watches"])


def _trouble(row: dict[str, Any]) -> tuple[str, str]:
    """The plugins that are not those that it was published with, and what keeps it from being loaded."""
    tried = f" (tried {row['attempts']} times)" if row["attempts"] else ""
    return describe_mismatches(row["mismatches"]), f"{row['problem'] or ''}{tried}"


def _show_watches(watches: list[dict[str, Any]]) -> None:
    """What is compared with its predecessor; at the threshold it is rolled back automatically."""
    rows = [
        (
            watch["new"],
            watch["old"],
            signal["signal"],
            f"{signal['new_failures']} of {signal['new_total']}",
            f"{signal['old_failures']} of {signal['old_total']}",
            f"{signal['e_value']:.3g}",
            f"{signal['threshold']:g}",
        )
        for watch in watches
        for signal in watch["evidence"]
    ]
    print_table(["under watch", "beside", "signal", "its", "beside's", "e-value", "alarm at"], rows, empty="")
