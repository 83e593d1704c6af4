"""``postil publish | promote | rollback | releases``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import httpx
import typer
from rich.console import Console
from rich.progress import wrap_file

from postil.gateway.cli.connection import CommandError, call, connected
from postil.gateway.cli.show import AsJson, console, print_json, print_table, short_time
from postil.registry.names import AdapterName, parse_adapter, parse_release
from postil.registry.policy import parse_policy
from postil.registry.sources import pack

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.")]
IfLive = Annotated[
    int | None, typer.Option("--if-live", help="Only if this number is live still; 0 for none. Else nothing changes.")
]


def publish(
    path: Annotated[Path, typer.Argument(help="Folder with adapter_config.json and adapter_model.safetensors.")],
    adapter: Annotated[str, typer.Option(help="Where it belongs: domain/adapter.")],
    policy: Annotated[
        Path | None, typer.Option(help="How it answers (policy.yaml). Without one: the live release's policy.")
    ] = None,
    note: Annotated[str, typer.Option(help="Why; it is kept in the log.")] = "",
    promote: Annotated[bool, typer.Option("--promote", help="Make it live at once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish an adapter as a new release. It is not live until it is promoted."""
    name = parse_adapter(adapter)
    text = _policy_text(policy)
    with tempfile.TemporaryFile() as packed, connected() as client:
        pack(path, packed)
        made = _upload(client, name, cast(BinaryIO, packed), text, note, quiet=as_json)
        if promote:
            _move(client, name, "promote", {"release": made["number"], "reason": note})
    if as_json:
        print_json(made)
    elif made["created"]:
        live = "it is live" if promote else f"make it live with `postil promote {made['release']}`"
        console().print(f"published {made['release']}; {live}")
    else:
        console().print(f"{made['release']} is the same adapter with the same policy; nothing was published")


def promote(
    release: Annotated[str, typer.Argument(help="Which: domain/adapter@number.")],
    reason: Reason = "",
    if_live: IfLive = None,
    as_json: AsJson = False,
) -> None:
    """Make a release live. Requests in flight end on the release they began with."""
    ref = parse_release(release)
    body = {"release": ref.number, "reason": reason, "if_live": if_live}
    with connected() as client:
        state = _move(client, AdapterName(ref.domain, ref.adapter), "promote", body)
    _say_live(state, as_json)


def rollback(
    adapter: Annotated[str, typer.Argument(help="Which: domain/adapter.")],
    to: Annotated[int | None, typer.Option(help="The release's number; without it, the one live before.")] = None,
    reason: Reason = "",
    if_live: IfLive = None,
    as_json: AsJson = False,
) -> None:
    """Go back to a release that was live before: its weights and its policy, in one step."""
    body = {"to": to, "reason": reason, "if_live": if_live}
    with connected() as client:
        state = _move(client, parse_adapter(adapter), "rollback", body)
    _say_live(state, as_json)


def releases(
    adapter: Annotated[str | None, typer.Argument(help="domain/adapter; without it, all adapters.")] = None,
    at: Annotated[str | None, typer.Option(help="Show what was live then, such as 2026-11-01T12:00 (UTC).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show releases: who made them, when, why, and which is live."""
    with connected() as client:
        if at is not None:
            _show_live_at(call(client, "GET", "/api/live", params={"at": at}), adapter, at, as_json)
        elif adapter is None:
            _show_adapters(call(client, "GET", "/api/adapters"), as_json)
        else:
            _show_releases(call(client, "GET", f"/api/adapters/{parse_adapter(adapter)}"), as_json)


def _policy_text(path: Path | None) -> str | None:
    """The policy's text; what is wrong with its form is said before anything is sent."""
    if path is None:
        return None
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the policy {path} cannot be read: {error}") from error
    parse_policy(text)
    return text


def _upload(
    client: httpx.Client, name: AdapterName, packed: BinaryIO, policy: str | None, note: str, *, quiet: bool
) -> Any:
    size = packed.tell()
    packed.seek(0)
    fields = {"note": note} if policy is None else {"note": note, "policy": policy}
    screen = Console(stderr=True)
    hidden = quiet or not screen.is_terminal
    with wrap_file(packed, size, description="uploading", transient=True, disable=hidden, console=screen) as artifact:
        files = {"artifact": ("adapter.tar", artifact, "application/x-tar")}
        return call(client, "POST", f"/api/adapters/{name}/releases", data=fields, files=files)


def _move(client: httpx.Client, name: AdapterName, action: str, body: dict[str, Any]) -> Any:
    return call(client, "POST", f"/api/adapters/{name}/{action}", json=body)


def _say_live(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(state)
    else:
        console().print(f"{state['adapter']}@{state['live']} is live")


def _show_live_at(live: dict[str, int], adapter: str | None, at: str, as_json: bool) -> None:
    found = {name: number for name, number in live.items() if adapter in (None, name)}
    if as_json:
        print_json(found)
        return
    rows = [(name, f"{name}@{number}") for name, number in sorted(found.items())]
    print_table(["adapter", f"live at {at}"], rows, empty=f"nothing was live at {at}")


def _show_adapters(states: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(states)
        return
    rows = []
    for state in states:
        live = next((release for release in state["releases"] if release["live"]), None)
        rows.append(
            (state["adapter"], state["live"] or "none", short_time(live and live["live_since"]),
             len(state["releases"]), "yes" if state["default"] else "")
        )
    print_table(
        ["adapter", "live", "since (UTC)", "releases", "domain's default"], rows,
        empty="nothing is published yet; begin with `postil publish PATH --adapter domain/adapter`",
    )


def _show_releases(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    columns = ["release", "live", "created (UTC)", "by", "note"]
    rows = [
        (release["release"], "live" if release["live"] else release["problem"] or "",
         short_time(release["created"]), release["by"], release["note"])
        for release in state["releases"]
    ]
    print_table(columns, rows, empty="")
    console().print()
    moves = [
        (short_time(event["at"]), event["action"], f"{event['from'] or ''} -> {event['to']}".strip(),
         event["by"], event["reason"])
        for event in state["events"] if event["action"] != "publish"
    ]
    print_table(["at (UTC)", "act", "release", "by", "why"], moves, empty="never promoted")
