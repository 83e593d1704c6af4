"""``postil status`` and ``postil plugins``."""

from __future__ import annotations

from postil.gateway.cli.connection import call, connected
from postil.gateway.cli.show import AsJson, console, print_json, print_table


def status(as_json: AsJson = False) -> None:
    """Show what the engine is doing and which live releases it holds."""
    with connected() as client:
        state = call(client, "GET", "/api/status")
    if as_json:
        print_json(state)
        return
    out = console()
    out.print(f"engine: {state['engine']}" + (f" ({state['problem']})" if state["problem"] else ""))
    out.print(f"base:   {state['base'] or 'not prepared yet'}\n")
    rows = [
        (row["release"], "yes" if row["resident"] else "no", row["problem"]) for row in state["adapters"]
    ]
    print_table(["live release", "in the engine", "problem"], rows, empty="no release is live")


def plugins(as_json: AsJson = False) -> None:
    """Show the validators and fallback rules that policies may name, with their configuration."""
    with connected() as client:
        offers = call(client, "GET", "/api/plugins")
    if as_json:
        print_json(offers)
        return
    rows = [
        (offer["kind"], offer["name"], offer["version"], ", ".join(offer["config_schema"].get("properties", {})),
         offer["plugin"])
        for offer in offers
    ]
    print_table(["kind", "name", "version", "configuration", "plugin"], rows, empty="no plugins are installed")
