"""Pushes a folder to a hub as one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from postil.registry.artifacts.hub.fetch import connect
from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.errors import SourceError


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push: the repository with its commit, and the URL of that commit."""

    ref: HubRef
    url: str


def push(folder: Path, ref: HubRef, *, message: str, private: bool) -> Pushed:
    """Commit the files of a folder with the local user's token; create the repository if it is missing.

    Other files in the repository stay. Raises SourceError or HubError.
    """
    from huggingface_hub import CommitOperationAdd, get_token

    from postil.registry.artifacts.hub.errors import translated

    if not get_token():
        raise SourceError(f"there is no token to push to {ref}; run `hf auth login`, or set HF_TOKEN")
    api = connect()
    files = [CommitOperationAdd(f"{ref.prefix}{path.name}", path) for path in sorted(folder.iterdir())]
    with translated(ref, api.endpoint):
        api.create_repo(ref.repo, private=private, exist_ok=True)
        made = api.create_commit(ref.repo, files, commit_message=message, revision=ref.revision)
    return Pushed(HubRef(ref.repo, made.oid, ref.folder), str(made.commit_url))
