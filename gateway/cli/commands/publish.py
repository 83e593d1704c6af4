"""``postil publish``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import httpx
import typer
from rich.progress import wrap_file

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.output import AsJson, complaints, console, print_json
from postil.registry.artifacts.archives.pack import is_archive, pack
from postil.registry.artifacts.hub.ref import SCHEME, parse_hub_ref
from postil.registry.names import parse_adapter

_PATIENT = httpx.Timeout(30.0, read=None)


def publish(
    path: Annotated[
        str, typer.Argument(help="An adapter's folder, a tar, tar.gz or zip of it, or hf://org/name@revision.")
    ],
    adapter: Annotated[str, typer.Option(help="The adapter to publish to: domain/adapter.")],
    policy: Annotated[
        Path | None,
        typer.Option(help="Policy file; default: policy.yaml in the folder, else the live release's policy."),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Sign the folder with this private key (PEM, elliptic curve).")
    ] = None,
    note: Annotated[str, typer.Option(help="Reason, stored in the event log.")] = "",
    promote: Annotated[bool, typer.Option("--promote", help="Make it live immediately.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish an adapter as a new release. It is not live until you promote it.

    A release keeps adapter_config.json, adapter_model.safetensors and training.json, and drops all other files. It
    also keeps the signature: model.sig in the folder, or the one that --sign makes. The private key stays on this
    machine. The gateway downloads an adapter from a hub itself, with its own HF_TOKEN and HF_ENDPOINT.
    """
    name = parse_adapter(adapter)
    fields = {"note": note} | _policy_field(policy)
    signature = None if sign is None else _signature(path, sign)
    with connected() as client:
        made = _send(client, f"/api/v1/adapters/{name}/releases", path, fields, signature, quiet=as_json)
        if promote:
            body = {"release": made["number"], "reason": note}
            call(client, "POST", f"/api/v1/adapters/{name}/promote", json=body)
    if as_json:
        print_json(made)
    else:
        _say(made, promote, signed=signature is not None)


def _policy_field(path: Path | None) -> dict[str, str]:
    """Read the policy's text; errors in its form are reported before anything is sent."""
    if path is None:
        return {}
    from postil.registry.policy.policy import parse_policy

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the policy {path} cannot be read: {error}") from error
    parse_policy(text)
    return {"policy": text}


def _signature(path: str, key: Path) -> bytes:
    from postil.registry.signing.bundles import sign

    if path.startswith(SCHEME):
        raise CommandError(
            f"{path} is not a local folder, so it cannot be signed; export or download it, and publish the folder"
        )
    return sign(Path(path), key)


def _send(
    client: httpx.Client, route: str, path: str, fields: Mapping[str, str], signature: bytes | None, *, quiet: bool
) -> Any:
    screen = complaints()
    hidden = quiet or not screen.is_terminal
    if path.startswith(SCHEME):
        source = parse_hub_ref(path)
        screen.quiet = hidden
        with screen.status(f"the gateway fetches {source}"):
            return call(client, "POST", route, json={**fields, "source": str(source)}, timeout=_PATIENT)
    with (
        _opened(Path(path), signature) as archive,
        wrap_file(
            archive, os.fstat(archive.fileno()).st_size, description="uploading", transient=True, disable=hidden,
            console=screen,
        ) as upload,
    ):  # fmt: skip
        return call(client, "POST", route, data=fields, files={"artifact": ("adapter", upload)})


def _opened(path: Path, signature: bytes | None) -> BinaryIO:
    """Open an archive as it is, or pack a folder."""
    if path.is_dir():
        packed = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        pack(path, packed, signature)
        packed.seek(0)
        return packed
    try:
        archive = path.open("rb")
    except OSError as error:
        raise CommandError(
            f"{path} is not a folder or an archive that can be read ({error.strerror});"
            " give an adapter's folder, a tar, tar.gz or zip of it, or hf://org/name"
        ) from error
    if not is_archive(archive):
        archive.close()
        raise CommandError(f"{path} is not a tar, tar.gz or zip; give such an archive, or the adapter's folder")
    return archive


def _say(made: Mapping[str, Any], promoted: bool, *, signed: bool) -> None:
    if not made["created"]:
        kept = "only its signature was kept" if signed else "nothing was published"
        console().print(f"{made['release']} is the same adapter with the same policy; {kept}")
        return
    live = "it is live" if promoted else f"make it live with `postil promote {made['release']}`"
    policy = ", with the policy.yaml from its folder" if made["policy_from"] == "policy.yaml" else ""
    source = f" from {made['source']}" if made["source"] else ""
    console().print(f"published {made['release']}{source}{policy}; {live}")
    for warning in made["warnings"]:
        console().print(f"warning: {warning}", markup=False)
