"""``postil canary --steps | --next | --hold | --continue``: canaries that are raised in steps."""

from __future__ import annotations

from typing import Any

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.output import say
from postil.registry.names import parse_release

NEXT, HOLD, CONTINUE = "next", "hold", "continue"


def begin_steps(what: str, steps: str, reason: str, as_json: bool, *, hold: bool) -> None:
    """Make a release the canary with the first of these shares."""
    ref, wanted = parse_release(what), _read(steps)
    body = {"release": ref.number, "steps": wanted, "hold": hold, "reason": reason}
    with connected() as client:
        state = call(client, "PUT", f"/api/v1/adapters/{ref.name}/canary/steps", json=body)
    _say(state, f"{ref} is the canary", as_json)


def change_step(what: str, action: str, reason: str, as_json: bool) -> None:
    """Make the next step, hold the canary, or let it go on, unless somebody moves it between the read and the write."""
    ref = parse_release(what)
    path = f"/api/v1/adapters/{ref.name}"
    with connected() as client:
        canary = call(client, "GET", path)["canary"]
        body = {"release": ref.number, "reason": reason, "if_revision": canary["revision"] if canary else None}
        state = call(client, "POST", f"{path}/canary/{action}", json=body)
    _say(state, f"{ref} is the canary", as_json)


def show_steps(found: dict[str, Any]) -> str:
    """Return the steps with the one that the canary is at: ``5 [25] 50 %, held``."""
    shown = (f"[{each:g}]" if at == found["step"] else f"{each:g}" for at, each in enumerate(found["steps"], 1))
    return f"{' '.join(shown)} %" + (", held" if found["held"] else "")


def _say(state: dict[str, Any], subject: str, as_json: bool) -> None:
    canary = state["canary"]
    steps = canary["steps"] if canary else None
    if steps is None:  # Somebody has moved it since.
        say(state, f"{state['adapter']} has changed since; see `postil status`", as_json)
        return
    say(state, f"{subject}: it answers {canary['weight']:g} % of the requests; {_then(steps)}", as_json)


def _then(steps: dict[str, Any]) -> str:
    if steps["step"] == len(steps["steps"]):
        return "this is the last step"
    after = f"{steps['steps'][steps['step']]:g} %"
    return f"{after} is next, by hand" if steps["held"] else f"{after} is next, by evidence"


def _read(steps: str) -> list[float]:
    try:
        return [float(each) for each in steps.split(",")]
    except ValueError:
        raise CommandError(f"--steps {steps[:50]!r} are not percentages; give some such as 5,25,50") from None
