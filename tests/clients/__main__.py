"""Try clients that nobody here wrote, each in its newest version and its defaults, on the demo: ``make clients``.

Prints what works as a table, and fails where something does not. ``--write`` puts the table into the documentation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.docs.markdown import table
from tests.clients.catalogue import CLIENTS, Client
from tests.clients.environments import NotInstalledError, prepared
from tests.engine.conftest import start
from tests.support.paths import ROOT

SCRIPTS = Path(__file__).parent / "modes"
PAGE = ROOT / "deploy/docs/clients.md"
# A tenant of the demo.
KEY = "demo-clinic"
_SECONDS = 300
_LEAD = (
    "Clients that work with postil as they come: each was installed in the version shown, given the gateway's address"
    " and a tenant's key, and asked as its own documentation does. Written by `python -m tests.clients --write` on the"
    " demo with its real engine."
)


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of asking, and what came of it."""

    mode: str
    ok: bool
    said: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A client, the versions of its packages, and its modes; ``problem`` where it did not run."""

    name: str
    versions: Mapping[str, str] = field(default_factory=dict)
    modes: Sequence[Mode] = ()
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether every mode works."""
        return not self.problem and bool(self.modes) and all(mode.ok for mode in self.modes)


def tried(client: Client, folder: Path, url: str) -> Tried:
    """Install a client and try all of its modes."""
    try:
        environment = prepared(client, folder, SCRIPTS)
    except NotInstalledError as error:
        return Tried(client.name, problem=f"not installed: {error}")
    given = {**os.environ, "POSTIL_URL": url, "POSTIL_KEY": KEY, "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            environment.command, env=given, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Tried(client.name, environment.versions, problem=f"no end after {_SECONDS} s")
    modes = [Mode(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith('{"mode"')]
    problem = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no word"])[-1][:300]
    return Tried(client.name, environment.versions, modes, problem)


def shown(found: Iterable[Tried]) -> Table:
    """The table for people; what does not work with its error."""
    made = Table("client", "version", "mode", "", "error", title="clients in their defaults, on the demo")
    for one in found:
        for mode in one.modes:
            made.add_row(one.name, _version(one), mode.mode, "yes" if mode.ok else "no", "" if mode.ok else mode.said)
        if one.problem:
            made.add_row(one.name, _version(one), "", "no", one.problem)
    return made


def written(found: Iterable[Tried]) -> str:
    """The page of the documentation."""
    rows = [(one.name, _version(one), _listed(one, ok=True), _listed(one, ok=False) or one.problem) for one in found]
    return f"# Clients\n\n{_LEAD}\n\n{table(['client', 'version', 'works', 'does not work'], rows)}\n"


def _listed(one: Tried, *, ok: bool) -> str:
    return "; ".join(mode.mode for mode in one.modes if mode.ok is ok)


def _version(one: Tried) -> str:
    return ", ".join(one.versions.values())


def main(arguments: argparse.Namespace) -> int:
    """Try the clients, print what works, and return 1 if something does not."""
    chosen = [client for client in CLIENTS if not arguments.only or client.name in arguments.only]
    console, found = Console(stderr=arguments.json), []
    with tempfile.TemporaryDirectory(prefix="postil-clients-") as home, Progress(console=console) as progress:
        served = start(Path(home) / "home")
        try:
            for client in progress.track(chosen, description="clients"):
                found.append(tried(client, arguments.folder, served.url))
        finally:
            served.stop()
    if arguments.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        console.print(shown(found))
    if arguments.write:
        PAGE.write_text(written(found), encoding="utf-8")
    return 0 if all(one.good for one in found) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("--only", action="append", choices=[client.name for client in CLIENTS], help="this one only")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/clients", help="where clients are installed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write deploy/docs/clients.md")
    sys.exit(main(parser.parse_args()))
