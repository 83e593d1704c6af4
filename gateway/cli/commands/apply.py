"""``postil apply``: make a gateway as files say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.commands.releases import Reason
from postil.gateway.cli.output import AsJson, complaints, console, print_json, print_table

if TYPE_CHECKING:
    from postil.gateway.cli.apply.plan import Step
    from postil.gateway.cli.apply.secrets import NewSecrets

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
    from postil.gateway.cli.apply.secrets import NewSecrets
    from postil.gateway.cli.apply.state import read_state

    declared = read_folder(folder)
    with connected() as client, NewSecrets(secrets) as new:
        steps = plan(declared, read_state(client, declared.channels), reason=reason, prune=prune)
        if not as_json:
            _show(steps)
        applied = False
        try:
            if not dry_run:
                _take(client, steps, new)
                applied = True
        finally:
            _tell(steps, new.shown, applied=applied, as_json=as_json)
    if dry_run and steps and not as_json:
        complaints().print("nothing was changed, because of --dry-run")


def _take(client: httpx.Client, steps: Sequence[Step], new: NewSecrets) -> None:
    """Take the steps one after the other, and keep what is shown once. Raises CommandError at the first failure."""
    for done, step in enumerate(steps):
        try:
            body = step.body
            if step.over and body is not None:
                body = {**call(client, "GET", step.path), **body}
            arguments: dict[str, Any] = {} if body is None else {"json": dict(body)}
            answer = call(client, step.method, step.path, params=dict(step.params), **arguments)
        except (CommandError, httpx.TransportError) as error:
            raise CommandError(_stopped(done, len(steps), step, error)) from error
        if step.secret is not None:
            new.add(step.rows[0].what, answer[step.secret])


def _stopped(done: int, steps: int, step: Step, error: Exception) -> str:
    """Say how far it came, and how to go on."""
    what, said = step.rows[0].what, f"{done} of {steps} changes were made, and then {step.rows[0].what}"
    if isinstance(error, CommandError):
        return f"{said}: {error}; correct that and apply again, which goes on from there"
    lost = f"; if {what} is there now, remove it first, because nobody saw its secret" if step.secret else ""
    return f"{said}: no answer came ({type(error).__name__}){lost}; apply again, which goes on from there"


def _show(steps: Sequence[Step]) -> None:
    rows = [
        (row.action, row.what, row.field, _text(row.before), _text(row.after)) for step in steps for row in step.rows
    ]
    print_table(_COLUMNS, rows, empty="nothing changes: the gateway is as the files say")


def _tell(steps: Sequence[Step], shown: Sequence[dict[str, str]], *, applied: bool, as_json: bool) -> None:
    """Say what was done, and where the new secrets are."""
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
