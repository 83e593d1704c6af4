"""``postil publish``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import httpx
import typer
from rich.console import Console
from rich.progress import wrap_file

from postil.gateway.cli.connection import CommandError, call, connected
from postil.gateway.cli.show import AsJson, console, print_json
from postil.registry.names import AdapterName, parse_adapter
from postil.registry.policy import parse_policy
from postil.registry.sources import pack


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
            body = {"release": made["number"], "reason": note}
            call(client, "POST", f"/api/adapters/{name}/promote", json=body)
    if as_json:
        print_json(made)
    elif made["created"]:
        live = "it is live" if promote else f"make it live with `postil promote {made['release']}`"
        console().print(f"published {made['release']}; {live}")
    else:
        console().print(f"{made['release']} is the same adapter with the same policy; nothing was published")


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
