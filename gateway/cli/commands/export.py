"""``postil export``."""

from __future__ import annotations

import filecmp
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import httpx
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from postil.gateway.cli.api_client import CommandError, connected, streamed
from postil.gateway.cli.output import AsJson, complaints, console, print_json
from postil.plugins import ReleaseRef
from postil.registry.artifacts.hub.ref import SCHEME, HubRef, parse_hub_ref
from postil.registry.fsutil import private_files
from postil.registry.names import parse_release


def export(
    release: Annotated[str, typer.Argument(help="The release: domain/adapter@number.")],
    target: Annotated[str, typer.Argument(help="A new or empty folder, or hf://org/name on a hub.")],
    public: Annotated[bool, typer.Option("--public", help="Make a newly created repository public.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export a release: adapter files, policy and model card. Publish it again to get the same release.

    A hub is the one that HF_ENDPOINT names; the token is yours (HF_TOKEN or `hf auth login`). A missing repository is
    created as private. training.json can reveal training data: read it before you share.
    """
    ref = parse_release(release)
    place = parse_hub_ref(target) if target.startswith(SCHEME) else Path(target)
    with ExitStack() as stack:
        client = stack.enter_context(connected())
        stack.enter_context(private_files())
        folder = Path(stack.enter_context(_scratch(place))) / "release"
        folder.mkdir()
        download(client, ref, folder, quiet=as_json)
        files = sorted(path.name for path in folder.iterdir())
        done = _pushed(folder, place, ref, public, as_json) if isinstance(place, HubRef) else _placed(folder, place)
    _say({"release": str(ref), "files": files, **done}, as_json)


def _scratch(place: HubRef | Path) -> tempfile.TemporaryDirectory[str]:
    """A temporary folder on the target's disk, so that the files can be moved into place in one step."""
    if isinstance(place, HubRef):
        return tempfile.TemporaryDirectory()
    beside = next(folder for folder in place.absolute().parents if folder.exists())
    try:
        return tempfile.TemporaryDirectory(dir=beside, prefix=".postil-")
    except OSError as error:
        raise CommandError(f"{place} cannot be made ({error.strerror}); name another folder") from error


def download(client: httpx.Client, ref: ReleaseRef, folder: Path, *, quiet: bool) -> None:
    """Write a release's files to ``folder``, with its policy and model card. Raises CommandError."""
    from postil.registry.artifacts.archives.pack import unpack

    route = f"/api/v1/adapters/{ref.domain}/{ref.adapter}/releases/{ref.number}/artifact"
    with tempfile.TemporaryFile() as spool, streamed(client, route) as response:
        size = int(response.headers["content-length"])
        with _bar(quiet) as bar:
            task = bar.add_task("downloading", total=size)
            for chunk in response.iter_bytes():
                spool.write(chunk)
                bar.update(task, advance=len(chunk))
        spool.seek(0)
        # The model card belongs to an export, too.
        unpack(cast(BinaryIO, spool), folder, limit=size, wanted=lambda name: True)


def _bar(quiet: bool) -> Progress:
    screen = complaints()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal)


def _placed(folder: Path, place: Path) -> dict[str, Any]:
    same = place.is_dir() and _same(folder, place)
    if not same:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise CommandError(f"{place} already exists with other content; name a new or empty folder")
        place.absolute().parent.mkdir(parents=True, exist_ok=True)
        folder.rename(place)
    return {"target": str(place), "written": not same}


def _same(one: Path, other: Path) -> bool:
    names = {path.name for path in one.iterdir()}
    if names != {path.name for path in other.iterdir()}:
        return False
    return len(filecmp.cmpfiles(one, other, names, shallow=False)[0]) == len(names)


def _pushed(folder: Path, place: HubRef, ref: ReleaseRef, public: bool, quiet: bool) -> dict[str, Any]:
    # Slow to import, and used by this command only.
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from postil.registry.artifacts.hub.push import push

    if quiet or not complaints().is_terminal:
        disable_progress_bars()
    made = push(folder, place, message=f"{ref}, exported by postil", private=not public)
    return {"target": str(made.ref), "commit": made.ref.revision, "url": made.url, "written": True}


def _say(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(done)
    elif "commit" in done:
        console().print(f"{done['release']} is now {done['target']}\n{done['url']}")
    elif done["written"]:
        console().print(f"{done['release']} is now in {done['target']}: {', '.join(done['files'])}")
    else:
        console().print(f"{done['target']} holds {done['release']} already; nothing was written")
