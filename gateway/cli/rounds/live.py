"""What a round takes from the gateway: the live release with its lineage and its files, and training files of jobs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from postil.gateway.cli.api_client import call, connected, streamed
from postil.gateway.cli.commands.export import download
from postil.registry.names import AdapterName
from postil.registry.training.rounds.record import short


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """The live release: its number, the digest of its files, and its lineage as the gateway shows it."""

    name: AdapterName
    number: int
    lineage: Mapping[str, Any]

    @property
    def release(self) -> str:
        """``healthcare/triage@3``."""
        return str(self.name.release(self.number))

    @property
    def artifact(self) -> str:
        """The digest of its files."""
        return str(self.lineage["artifact"])

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that it was trained with; empty where they are not known."""
        method = self.lineage.get("method")
        return dict(method["options"]) if method else {}


def live_release(client: httpx.Client, name: AdapterName) -> LiveRelease | None:
    """Return what is live, or None. Raises CommandError."""
    number = call(client, "GET", f"/api/v1/adapters/{name}")["live"]
    if number is None:
        return None
    return LiveRelease(name, number, call(client, "GET", f"/api/v1/adapters/{name}/releases/{number}/lineage"))


def fetched(client: httpx.Client, live: LiveRelease, folder: Path) -> Path:
    """Return a folder with the files of the live release, which are fetched once."""
    place = folder / f"live-{short(live.artifact)}"
    if not place.is_dir():
        new = folder / "live.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        download(client, live.name.release(live.number), new, quiet=True)
        new.rename(place)
    return place


def job_files(live: LiveRelease | None, folder: Path) -> dict[str, tuple[str, ...]]:
    """Fetch the training files of the fine-tuning job that made the live release, as data and held-out rows."""
    job = live.lineage.get("job") if live else None
    found: dict[str, tuple[str, ...]] = {}
    for part, group in (("training_file", "data"), ("validation_file", "held_out")):
        file = (job or {}).get(part)
        if file and file.get("digest"):
            place = folder / f"job-{short(file['digest'])}.jsonl"
            if not place.exists():
                folder.mkdir(parents=True, exist_ok=True)
                with connected(openai=True) as client, streamed(client, f"/v1/files/{file['id']}/content") as response:
                    place.write_bytes(response.read())
            found[group] = (str(place),)
    return found
