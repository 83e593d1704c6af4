"""``postil publish``. Slow modules are imported where they are used, so that other commands start fast."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import httpx
import typer
from rich.progress import wrap_file
from rich.text import Text

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.output import AsJson, complaints, console, print_json
from postil.registry.artifacts.hub.ref import SCHEME, parse_hub_ref
from postil.registry.errors import RegistryError
from postil.registry.names import AdapterName, parse_adapter, parse_release

if TYPE_CHECKING:
    from postil.registry.training.dataset import Dataset

_PATIENT = httpx.Timeout(30.0, read=None)
_NAMED = 8


def publish(
    path: Annotated[
        str,
        typer.Argument(help="An adapter's folder, a tar, tar.gz or zip of it, or hf://org/name/folder@revision."),
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
    verify: Annotated[
        Path | None,
        typer.Option(help="Held-out examples: unless answered as in training, exit with 1 and promote nothing."),
    ] = None,
    base_ok: Annotated[
        bool,
        typer.Option("--base-ok", help="The adapter's base is the gateway's under another name; kept in the log."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish an adapter as a new release. It is not live until you promote it.

    A release keeps adapter_config.json, adapter_model.safetensors and training.json; all other files in the folder of
    a training run, a download or a clone are left out. It also keeps the signature: model.sig in the folder, or the
    one that --sign makes. The private key stays on this machine. The gateway downloads an adapter from a hub itself,
    with its own HF_TOKEN and HF_ENDPOINT. Publishing the same again changes nothing. --verify does what `postil verify`
    does, before it is made live.
    """
    name = parse_adapter(adapter)
    fields = {"note": note} | policy_field(policy) | ({"base_ok": "true"} if base_ok else {})
    signature = None if sign is None else _signature(path, sign)
    held_out = None if verify is None else _held_out(verify)
    with connected() as client:
        made = send_release(client, f"/api/v1/adapters/{name}/releases", path, fields, signature, quiet=as_json)
        failure = None if held_out is None else _verify(made, held_out, quiet=as_json)
        made["live"] = False
        if promote and failure is None:
            made["live"], failure = _promote(client, name, made["number"], note)
    if as_json:
        print_json(made)
    else:
        _say(made, promote=promote, signed=signature is not None)
    _check_done(made["release"], failure)


def _check_done(release: str, failure: str | None) -> None:
    if failure is not None:
        raise CommandError(
            f"{release} is published, and {failure}; when that is settled, run `postil promote {release}`"
        )


def _held_out(path: Path) -> Dataset:
    """Read the rows before anything is sent. Raises DatasetError."""
    from postil.registry.training.dataset import load

    return load(path)


def _verify(made: dict[str, Any], data: Dataset, *, quiet: bool) -> str | None:
    """Note what a release answers to held-out rows; return what is wrong with that."""
    from postil.gateway.cli.verification import Plan, verified
    from postil.gateway.cli.verification_display import show_verification

    try:
        found = verified(parse_release(made["release"]), data, Plan())
    except (CommandError, RegistryError) as error:
        return f"--verify failed: {error}"
    made["verification"] = found.model_dump(mode="json")
    if not quiet:
        show_verification(found)
    return None if found.verified else "its answers to the rows of --verify are not those of its training"


def _promote(client: httpx.Client, name: AdapterName, number: int, reason: str) -> tuple[bool, str | None]:
    """Make a release live unless it is already; return whether it is, and why not."""
    try:
        seen = call(client, "GET", f"/api/v1/adapters/{name}")
        if seen["live"] != number:
            body = {"release": number, "reason": reason, "if_revision": seen["revision"]}
            call(client, "POST", f"/api/v1/adapters/{name}/promote", json=body)
    except CommandError as error:
        return False, f"--promote failed: {error}"
    except httpx.TransportError as error:
        return False, f"--promote failed: no answer came ({error})"
    return True, None


def policy_field(path: Path | None) -> dict[str, str]:
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


def send_release(
    client: httpx.Client, route: str, path: str, fields: Mapping[str, str], signature: bytes | None, *, quiet: bool
) -> Any:
    """Send an adapter with the form's ``fields`` to be published; returns the gateway's answer. Raises CommandError."""
    screen = complaints()
    hidden = quiet or not screen.is_terminal
    if path.startswith(SCHEME):
        source = parse_hub_ref(path)
        screen.quiet = hidden
        with screen.status(f"the gateway fetches {source}"):
            body = {**fields, "source": str(source), "base_ok": "base_ok" in fields}
            return call(client, "POST", route, json=body, timeout=_PATIENT)
    opened, dropped = _opened(Path(path), signature)
    with (
        opened as archive,
        wrap_file(
            archive, os.fstat(archive.fileno()).st_size, description="uploading", transient=True, disable=hidden,
            console=screen,
        ) as upload,
    ):  # fmt: skip
        made = call(client, "POST", route, data=fields, files={"artifact": ("adapter", upload)})
    return made if dropped is None else {**made, "left_out": dropped}


def _opened(path: Path, signature: bytes | None) -> tuple[BinaryIO, list[str] | None]:
    """Open an archive as it is, or pack a folder: with what is left out of it, which the gateway never sees."""
    from postil.registry.artifacts.archives.pack import is_archive, pack
    from postil.registry.artifacts.contents import check_complete, left_out

    if path.is_dir():
        packed = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        names = pack(path, packed, signature)
        check_complete(str(path), names)
        packed.seek(0)
        return packed, left_out(names)
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
    return archive, None


def _say(made: Mapping[str, Any], *, promote: bool, signed: bool) -> None:
    live = "it is live" if made["live"] else "it is not live" if promote else ""
    if made["created"]:
        policy = ", with the policy.yaml from its folder" if made["policy_from"] == "policy.yaml" else ""
        source = f" from {made['source']}" if made["source"] else ""
        done = live or f"make it live with `postil promote {made['release']}`"
        console().print(f"published {made['release']}{source}{policy}; {done}")
    else:
        kept = "only its signature was kept" if signed else "nothing was published"
        done = f"{kept}; {live}" if live else kept
        console().print(f"{made['release']} is the same adapter with the same policy; {done}")
    if made["left_out"]:
        console().print(Text(f"left out: {_few(made['left_out'])}"))
    for warning in made["warnings"]:
        console().print(Text(f"warning: {warning}"))


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
