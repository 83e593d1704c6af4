"""``postil promote | rollback | releases``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import Listed, call, call_list, connected
from postil.gateway.cli.commands.canary_steps import show_steps
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_json,
    print_rest,
    print_table,
    short_time,
    show_list,
)
from postil.gateway.cli.plugin_versions import describe_mismatches
from postil.registry.names import AdapterName, parse_adapter, parse_release

Reason = Annotated[str, typer.Option("--reason", help="Reason, stored in the event log.")]
IfLive = Annotated[
    int | None,
    typer.Option("--if-live", help="Only if this release is still live (0: none is live); else change nothing."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and load the release, but change nothing.")]


def promote(
    release: Annotated[str, typer.Argument(help="The release: domain/adapter@number.")],
    reason: Reason = "",
    if_live: IfLive = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a release live. Requests in flight finish on the release that they started with."""
    ref = parse_release(release)
    body = {"release": ref.number, "reason": reason, "if_live": if_live, "dry_run": dry_run}
    with connected() as client:
        state = _move(client, AdapterName(ref.domain, ref.adapter), "promote", body)
    _say_live(state, as_json)


def rollback(
    adapter: Annotated[str, typer.Argument(help="The adapter: domain/adapter.")],
    to: Annotated[int | None, typer.Option(help="The release's number; default: the previous live release.")] = None,
    reason: Reason = "",
    if_live: IfLive = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make an earlier live release live again: weights and policy together."""
    name = parse_adapter(adapter)
    body = {"to": to, "reason": reason, "if_live": if_live, "dry_run": dry_run}
    with connected() as client:
        state = _move(client, name, "rollback", body)
    _say_live(state, as_json)


def releases(
    adapter: Annotated[str | None, typer.Argument(help="domain/adapter; default: all adapters.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Show what was live at this time (UTC), such as 2026-11-01T12:00.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List releases, newest first: who published them, when, why, and which is live.

    JSON of one adapter: the whole adapter with `releases` and their `next`. JSON of all adapters: `{"data": [...],
    "next": ...}`.
    """
    most = 0 if all_ else limit
    with connected() as client:
        if at is not None:
            _show_live_at(call_list(client, "/api/v1/live", {"at": at}, most, _of(adapter)), at, as_json)
        elif adapter is None:
            show_adapters(call_list(client, "/api/v1/adapters", {}, most), as_json)
        else:
            path = f"/api/v1/adapters/{parse_adapter(adapter)}"
            state = call(client, "GET", path)
            _show_releases(state, call_list(client, f"{path}/releases", {"newest_first": True}, most), as_json)


def _of(adapter: str | None) -> Callable[[dict[str, Any]], bool]:
    return lambda row: adapter in (None, row["adapter"])


def _move(client: httpx.Client, name: AdapterName, action: str, body: dict[str, Any]) -> Any:
    """Move ``stable``, unless somebody else moves it between the read and the write."""
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


def _show_live_at(found: Listed, at: str, as_json: bool) -> None:
    rows = [(row["adapter"], row["release"]) for row in found.data]
    show_list(found, ["adapter", f"live at {at}"], rows, empty=f"nothing was live at {at}", as_json=as_json)


def show_adapters(found: Listed, as_json: bool) -> None:
    """Print a table of adapters."""
    rows = [
        (
            state["adapter"],
            state["live"] or "none",
            short_time(state["live_since"]),
            _share(state["canary"]),
            _share(state["shadow"]),
            state["release_count"],
            "yes" if state["default"] else "",
            "retired" if state["retired"] else "in service",
        )
        for state in found.data
    ]
    show_list(
        found,
        ["adapter", "live", "since (UTC)", "canary", "shadow", "releases", "domain's default", "state"],
        rows,
        empty="nothing is published yet; begin with `postil publish PATH --adapter domain/adapter`",
        as_json=as_json,
    )


def _show_releases(state: dict[str, Any], found: Listed, as_json: bool) -> None:
    if as_json:
        print_json({**state, "releases": found.data, "next": found.next})
        print_rest(found)
        return
    columns = ["release", "channel", "created (UTC)", "actor", "note", "plugins changed"]
    rows = [
        (
            release["release"],
            _channels(state, release),
            short_time(release["created"]),
            release["actor"],
            release["note"],
            describe_mismatches(release["mismatches"]),
        )
        for release in found.data
    ]
    print_table(columns, rows, empty="")
    print_rest(found)
    if state["retired"]:
        name = state["adapter"]
        console().print(f"\n{name} is retired and answers no requests; `postil adapters restore {name}` brings it back")
    console().print()
    moves = [
        (
            short_time(event["at"]),
            event["action"],
            f"{event['from'] or ''} -> {event['to'] or ''}".strip(),
            event["actor"],
            event["reason"],
        )
        for event in state["events"]
        if event["action"] != "publish"
    ]
    print_table(["at (UTC)", "action", "release", "actor", "reason"], moves, empty="never promoted")


def _share(channel: dict[str, Any] | None) -> str:
    return f"{channel['release']} ({channel['weight']:g} %)" if channel else ""


def _channels(state: dict[str, Any], release: dict[str, Any]) -> str:
    """Return a release's state: ``live``, ``retired``, ``canary 10 %``, its pins, or why it cannot be served."""
    number = release["number"]
    found = ["live"] if release["live"] else []
    if release["retired"]:
        found.append("retired")
    if release["yanked"]:
        found.append(f"yanked: {release['yanked']['reason']}")
    for which in ("canary", "shadow"):
        if state[which] and state[which]["release"] == number:
            found.append(f"{which} {state[which]['weight']:g} %")
            if steps := state[which]["steps"]:
                found.append(f"steps {show_steps(steps)}")
    tenants = sorted(tenant for tenant, pinned in state["pins"].items() if pinned == number)
    pinned = state["pinned"].get(str(number), 0)
    if pinned:
        # Not every key may see which tenants are pinned.
        found.append(f"pinned: {', '.join(tenants) or f'{pinned} tenant' + 's' * (pinned > 1)}")
    return "; ".join(found) or release["problem"] or ""
