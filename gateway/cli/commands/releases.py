"""``postil promote | rollback | releases``."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.output import AsJson, console, print_json, print_table, short_time
from postil.gateway.cli.plugin_versions import describe_mismatches
from postil.registry.names import AdapterName, parse_adapter, parse_release

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.")]
IfLive = Annotated[
    int | None, typer.Option("--if-live", help="Only if this number is live still; 0 for none. Else nothing changes.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check that it can be done, load the release, and change nothing.")
]


def promote(
    release: Annotated[str, typer.Argument(help="Which: domain/adapter@number.")],
    reason: Reason = "",
    if_live: IfLive = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a release live. Requests in flight end on the release they began with."""
    ref = parse_release(release)
    body = {"release": ref.number, "reason": reason, "if_live": if_live, "dry_run": dry_run}
    with connected() as client:
        state = _move(client, AdapterName(ref.domain, ref.adapter), "promote", body)
    _say_live(state, as_json)


def rollback(
    adapter: Annotated[str, typer.Argument(help="Which: domain/adapter.")],
    to: Annotated[int | None, typer.Option(help="The release's number; without it, the one live before.")] = None,
    reason: Reason = "",
    if_live: IfLive = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Go back to a release that was live before: its weights and its policy, in one step."""
    name = parse_adapter(adapter)
    body = {"to": to, "reason": reason, "if_live": if_live, "dry_run": dry_run}
    with connected() as client:
        state = _move(client, name, "rollback", body)
    _say_live(state, as_json)


def releases(
    adapter: Annotated[str | None, typer.Argument(help="domain/adapter; without it, all adapters.")] = None,
    at: Annotated[str | None, typer.Option(help="Show what was live then, such as 2026-11-01T12:00 (UTC).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show releases: who made them, when, why, and which is live."""
    with connected() as client:
        if at is not None:
            _show_live_at(call(client, "GET", "/api/v1/live", params={"at": at}), adapter, at, as_json)
        elif adapter is None:
            show_adapters(call(client, "GET", "/api/v1/adapters"), as_json)
        else:
            _show_releases(call(client, "GET", f"/api/v1/adapters/{parse_adapter(adapter)}"), as_json)


def _move(client: httpx.Client, name: AdapterName, action: str, body: dict[str, Any]) -> Any:
    """Move ``stable``, if nobody else does between this look at it and the act."""
    seen = call(client, "GET", f"/api/v1/adapters/{name}")
    return call(client, "POST", f"/api/v1/adapters/{name}/{action}", json={**body, "if_revision": seen["revision"]})


def _say_live(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(state)
    elif would_be := state.get("would_be_live"):
        now = f"{state['adapter']}@{state['live']}" if state["live"] else "no release"
        console().print(f"{would_be} can be made live and was loaded; {now} still is")
    else:
        console().print(f"{state['adapter']}@{state['live']} is live")


def _show_live_at(live: dict[str, int], adapter: str | None, at: str, as_json: bool) -> None:
    found = {name: number for name, number in live.items() if adapter in (None, name)}
    if as_json:
        print_json(found)
        return
    rows = [(name, f"{name}@{number}") for name, number in sorted(found.items())]
    print_table(["adapter", f"live at {at}"], rows, empty=f"nothing was live at {at}")


def show_adapters(states: list[dict[str, Any]], as_json: bool) -> None:
    """A table of adapters."""
    if as_json:
        print_json(states)
        return
    rows = [
        (
            state["adapter"],
            state["live"] or "none",
            short_time(state["live_since"]),
            _share(state["canary"]),
            _share(state["shadow"]),
            len(state["releases"]),
            "yes" if state["default"] else "",
            "retired" if state["retired"] else "in service",
        )
        for state in states
    ]
    print_table(
        ["adapter", "live", "since (UTC)", "canary", "shadow", "releases", "domain's default", "state"],
        rows,
        empty="nothing is published yet; begin with `postil publish PATH --adapter domain/adapter`",
    )


def _show_releases(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    columns = ["release", "channel", "created (UTC)", "by", "note", "plugins changed"]
    rows = [
        (
            release["release"],
            _channels(state, release),
            short_time(release["created"]),
            release["by"],
            release["note"],
            describe_mismatches(release["mismatches"]),
        )
        for release in state["releases"]
    ]
    print_table(columns, rows, empty="")
    if state["retired"]:
        name = state["adapter"]
        console().print(f"\n{name} is retired and answers nobody; `postil adapters restore {name}` brings it back")
    console().print()
    moves = [
        (
            short_time(event["at"]),
            event["action"],
            f"{event['from'] or ''} -> {event['to'] or ''}".strip(),
            event["by"],
            event["reason"],
        )
        for event in state["events"]
        if event["action"] != "publish"
    ]
    print_table(["at (UTC)", "act", "release", "by", "why"], moves, empty="never promoted")


def _share(channel: dict[str, Any] | None) -> str:
    return f"{channel['release']} ({channel['weight']:g} %)" if channel else ""


def _channels(state: dict[str, Any], release: dict[str, Any]) -> str:
    """Where a release stands: ``live``, ``retired``, ``canary 10 %``, who is pinned, or why it cannot be served."""
    number = release["number"]
    found = ["live"] if release["live"] else []
    if release["retired"]:
        found.append("retired")
    for which in ("canary", "shadow"):
        if state[which] and state[which]["release"] == number:
            found.append(f"{which} {state[which]['weight']:g} %")
    tenants = sorted(tenant for tenant, pinned in state["pins"].items() if pinned == number)
    pinned = state["pinned"].get(str(number), 0)
    if pinned:
        # Who they are is not for everybody.
        found.append(f"pinned: {', '.join(tenants) or f'{pinned} tenant' + 's' * (pinned > 1)}")
    return "; ".join(found) or release["problem"] or ""
