"""``postil backup | restore``: a home as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.output import AsJson, complaints, console, print_json
from postil.gateway.settings import read_settings

if TYPE_CHECKING:
    from postil.gateway.server.backup import Manifest

_SUFFIX = ("KiB", "MiB", "GiB")


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as postil-2026-11-30.tar.")],
    no_admin_key: Annotated[bool, typer.Option("--no-admin-key", help="Leave admin.key out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the registry, the adapters' files and the admin key into one file, which only you may read.

    Works on the files of POSTIL_HOME, also while a gateway serves from it. The base model is not in it. Where the
    registry is in PostgreSQL, use pg_dump and copy the artifacts. Exit status 1 if an adapter's files are damaged.
    """
    # Imported here because it is slow.
    from postil.gateway.server.backup import BackupError, save

    try:
        manifest, digest = save(read_settings(), file, admin_key=not no_admin_key)
    except BackupError as error:
        raise CommandError(str(error)) from error
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "sha256": digest, "bytes": size, **_shown(manifest)})
        _complain(manifest)
        raise typer.Exit(1 if manifest.damaged else 0)
    console().print(f"{file}: {len(manifest.files)} files, {_size(size)}, sha256:{digest}")
    console().print(f"it holds {', '.join(manifest.secrets)}: keep it where only you may read it")
    _complain(manifest)
    if manifest.damaged:
        raise typer.Exit(1)  # Whoever runs it at night has to see that it is not whole.


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `postil backup` wrote.")],
    digest: Annotated[str | None, typer.Option(help="The file's SHA-256, as `postil backup` printed it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into POSTIL_HOME, which has to be empty. Every file is compared with its digest first.

    A backup of an earlier version is brought up to date by the next `postil serve`; one of a newer version is refused.
    """
    # Imported here because it is slow.
    from postil.gateway.server.backup import BackupError
    from postil.gateway.server.restore import bring_back

    settings = read_settings()
    try:
        manifest = bring_back(settings, file, digest)
    except BackupError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json({"home": str(settings.home), **_shown(manifest)})
        return
    console().print(f"restored {len(manifest.files)} files of {manifest.made} into {settings.home}")
    console().print("start it with `postil serve`, and then look at its log with `postil audit verify`")
    _complain(manifest)


def _complain(manifest: Manifest) -> None:
    """Say what is not in the backup, though the registry has it."""
    for artifact in manifest.damaged:
        complaints().print(f"not in the backup, because it was damaged on disk: {artifact}; publish it again")


def _shown(manifest: Any) -> dict[str, Any]:
    """Return a manifest without its list of files."""
    return {
        "files": len(manifest.files),
        "postil": manifest.postil,
        "schema": manifest.schema,
        "made": manifest.made,
        "secrets": manifest.secrets,
        "damaged": manifest.damaged,
    }


def _size(count: float) -> str:
    """``3.4 MiB``."""
    for suffix in _SUFFIX:
        count /= 1024
        if count < 1024 or suffix == _SUFFIX[-1]:
            break
    return f"{count:.1f} {suffix}"
