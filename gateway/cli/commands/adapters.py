"""``postil adapters list | retire | restore`` and ``postil releases retire | restore``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import call, call_list, connected
from postil.gateway.cli.commands.releases import Reason, releases, show_adapters
from postil.gateway.cli.default_command import ListByDefault
from postil.gateway.cli.output import DEFAULT_LIMIT, All, AsJson, Limit, say
from postil.registry.names import parse_adapter, parse_release

Adapter = Annotated[str, typer.Argument(help="The adapter: domain/adapter.")]
Release = Annotated[str, typer.Argument(help="The release: domain/adapter@number.")]


def make_cli() -> typer.Typer:
    """Return the `adapters` command group."""
    cli = typer.Typer(help="List, retire and restore adapters.", no_args_is_help=True)
    cli.command("list")(list_adapters)
    cli.command("retire")(retire_adapter)
    cli.command("restore")(restore_adapter)
    return cli


def make_releases_cli() -> typer.Typer:
    """Return the `releases` command group, which lists by default."""
    cli = typer.Typer(cls=ListByDefault, help="List, retire and restore releases.")
    cli.command("list")(releases)
    cli.command("retire")(retire_release)
    cli.command("restore")(restore_release)
    return cli


def list_adapters(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """List the adapters with their live, canary and retired state. JSON: `{"data": [...], "next": ...}`."""
    with connected() as client:
        show_adapters(call_list(client, "/api/v1/adapters", {}, 0 if all_ else limit), as_json)


def retire_adapter(adapter: Adapter, reason: Reason = "", as_json: AsJson = False) -> None:
    """Retire a whole adapter: it answers no more requests and stays in the history."""
    name = parse_adapter(adapter)
    back = f"bring it back with `postil adapters restore {name}`"
    _post(f"/api/v1/adapters/{name}/retire", reason, f"{name} is retired; {back}", as_json)


def restore_adapter(adapter: Adapter, reason: Reason = "", as_json: AsJson = False) -> None:
    """Restore a retired adapter with its live release, channels and pins."""
    name = parse_adapter(adapter)
    _post(f"/api/v1/adapters/{name}/restore", reason, f"{name} is in service again", as_json)


def retire_release(release: Release, reason: Reason = "", as_json: AsJson = False) -> None:
    """Retire a release: only tenants pinned to it keep it. It stays in the history."""
    ref = parse_release(release)
    back = f"bring it back with `postil releases restore {ref}`"
    _post(f"/api/v1/adapters/{ref.name}/releases/{ref.number}/retire", reason, f"{ref} is retired; {back}", as_json)


def restore_release(release: Release, reason: Reason = "", as_json: AsJson = False) -> None:
    """Restore a retired release: clients can request it and you can promote it again."""
    ref = parse_release(release)
    _post(f"/api/v1/adapters/{ref.name}/releases/{ref.number}/restore", reason, f"{ref} is in service again", as_json)


def _post(path: str, reason: str, sentence: str, as_json: bool) -> None:
    with connected() as client:
        state: dict[str, Any] = call(client, "POST", path, json={"reason": reason})
    say(state, sentence, as_json)
