"""``postil apply``: make a gateway as files say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.commands.releases import Reason
from postil.gateway.cli.output import AsJson, complaints, console, print_json, print_table
from postil.registry.fsutil import write_private

if TYPE_CHECKING:
    from postil.gateway.cli.apply.plan import Step

_COLUMNS = ("action", "what", "field", "before", "after")


def apply(
    folder: Annotated[
        Path, typer.Option("--folder", "-f", metavar="DIR", help="Folder of YAML files; folders in it are read too.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove tenants and webhooks that no file names, if a file names others of that kind, and end canaries"
            " and shadows of adapters whose file names none.",
        ),
    ] = False,
    secrets: Annotated[
        Path | None, typer.Option(help="Write new keys and secrets to this new file (0600), not to the output.")
    ] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Make domains, tenants, limits, webhooks and channels as the files of a folder say.

    Prints what changes as a table. What no file names stays as it is, and applying the same files again changes
    nothing. Needs an admin's key. JSON: `{"changes": [...], "applied": true, "secrets": [...]}`.
    """
    # Imported here because it is slow, and only this command needs it.
    from postil.gateway.cli.apply.files import read_folder
    from postil.gateway.cli.apply.plan import plan
    from postil.gateway.cli.apply.state import read_state

    declared = read_folder(folder)
    if secrets is not None and secrets.exists():
        raise CommandError(f"{secrets} exists already; name a new file, so that no secret is overwritten")
    with connected() as client:
        steps = plan(declared, read_state(client, declared.channels), reason=reason, prune=prune)
        if not as_json:
            _show(steps)
        shown: list[dict[str, str]] = []
        applied = False
        try:
            if not dry_run:
                _take(client, steps, shown)
                applied = True
        finally:
            _tell(steps, shown, secrets, applied=applied, as_json=as_json)
    if dry_run and steps and not as_json:
        complaints().print("nothing was changed, because of --dry-run")


def _take(client: httpx.Client, steps: Sequence[Step], shown: list[dict[str, str]]) -> None:
    """Take the steps one after the other, and keep what is shown once. Raises CommandError at the first failure."""
    for done, step in enumerate(steps):
        try:
            body = step.body
            if step.over and body is not None:
                body = {**call(client, "GET", step.path), **body}
            arguments: dict[str, Any] = {} if body is None else {"json": dict(body)}
            answer = call(client, step.method, step.path, params=dict(step.params), **arguments)
        except CommandError as error:
            raise CommandError(
                f"{done} of {len(steps)} changes were made, and then {step.rows[0].what}: {error}; correct that and"
                " apply again, which goes on from there"
            ) from error
        if step.secret is not None:
            shown.append({"what": step.rows[0].what, "secret": answer[step.secret]})


def _show(steps: Sequence[Step]) -> None:
    rows = [
        (row.action, row.what, row.field, _text(row.before), _text(row.after)) for step in steps for row in step.rows
    ]
    print_table(_COLUMNS, rows, empty="nothing changes: the gateway is as the files say")


def _tell(
    steps: Sequence[Step], shown: Sequence[dict[str, str]], secrets: Path | None, *, applied: bool, as_json: bool
) -> None:
    """Say what was done, and hand out the new secrets: into a file, or once here."""
    if secrets is not None and shown:
        write_private(secrets, "".join(json.dumps(one) + "\n" for one in shown))
        shown = [{"what": one["what"], "file": str(secrets)} for one in shown]
    if as_json:
        changes = [asdict(row) for step in steps for row in step.rows]
        print_json({"changes": changes, "applied": applied, "secrets": list(shown)})
        return
    for one in shown:
        told = f"its new secret is in {one['file']}" if "file" in one else f"shown only once: {one['secret']}"
        console().print(f"{one['what']}, {told}")


def _text(value: Any) -> str:
    """Return a value for the table."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {each:g}" for key, each in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
