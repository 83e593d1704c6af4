"""``postil yank | unyank``: take back releases that do harm."""

from __future__ import annotations

from typing import Annotated

import typer

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.commands.releases import Reason
from postil.gateway.cli.output import AsJson, say
from postil.registry.names import parse_release

Release = Annotated[str, typer.Argument(help="The release: domain/adapter@number.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Reason, stored in the event log.")]


def yank(
    release: Release,
    reason: NeededReason,
    to: Annotated[
        int | None, typer.Option(help="What is live then, if it was; default: the previous live release.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take back a release that does harm: it answers nobody any more, pinned tenants neither.

    A live one is rolled back in the same step; where no other was live before, the adapter answers nothing.
    """
    ref = parse_release(release)
    body = {"reason": reason, "to": to}
    with connected() as client:
        state = call(client, "POST", f"/api/v1/adapters/{ref.name}/releases/{ref.number}/yank", json=body)
    live = f"{ref.name}@{state['live']} is live" if state["live"] else f"{ref.name} has no live release"
    say(state, f"{ref} is yanked; {live}", as_json)


def unyank(release: Release, reason: Reason = "", as_json: AsJson = False) -> None:
    """Take a yank back: you can promote the release again, and tenants that are pinned to it get it."""
    ref = parse_release(release)
    path = f"/api/v1/adapters/{ref.name}/releases/{ref.number}/unyank"
    with connected() as client:
        state = call(client, "POST", path, json={"reason": reason})
    say(state, f"{ref} can be promoted again", as_json)
