"""An environment of its own for each client, kept between runs: a virtual environment, or a folder of node modules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.clients.catalogue import Client

_INSTALL_SECONDS = 900
_READY = "installed.json"


class NotInstalledError(Exception):
    """A client could not be installed; the text says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a client is installed. ``command`` runs its script; ``versions`` are those of its packages."""

    folder: Path
    command: list[str]
    versions: dict[str, str]


def prepared(client: Client, folder: Path, scripts: Path) -> Environment:
    """Install a client's packages in their newest versions, unless they are there. Raises NotInstalledError."""
    home = folder / re.sub(r"\W+", "-", client.name).strip("-")
    ready = home / _READY
    if not ready.exists() or json.loads(ready.read_text(encoding="utf-8")).keys() != set(client.packages):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        versions = (_with_npm if client.in_javascript else _with_pip)(client, home)
        ready.write_text(json.dumps(versions), encoding="utf-8")
    if client.in_javascript:
        # Node looks for modules beside the script, so all of ours are copied to them.
        for script in scripts.glob("*.mjs"):
            shutil.copy(script, home)
        command = ["node", str(home / client.script)]
    else:
        command = [str(home / "venv/bin/python") if client.packages else sys.executable, str(scripts / client.script)]
    return Environment(home, command, json.loads(ready.read_text(encoding="utf-8")))


def _with_pip(client: Client, home: Path) -> dict[str, str]:
    if not client.packages:
        return {}
    venv.create(home / "venv", with_pip=True)
    python = str(home / "venv/bin/python")
    _run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *client.packages])
    listed = _run([python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"])
    installed = {one["name"].lower().replace("_", "-"): one["version"] for one in json.loads(listed)}
    return {package: installed[package.partition("[")[0].lower()] for package in client.packages}


def _with_npm(client: Client, home: Path) -> dict[str, str]:
    _run(["npm", "install", "--prefix", str(home), "--silent", "--no-audit", "--no-fund", *client.packages])
    versions = {}
    for package in client.packages:
        told = (home / "node_modules" / package / "package.json").read_text(encoding="utf-8")
        versions[package] = json.loads(told)["version"]
    return versions


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_INSTALL_SECONDS, check=True)
    except FileNotFoundError as error:
        raise NotInstalledError(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"installing took longer than {_INSTALL_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word"])[-1]
        raise NotInstalledError(last[:200]) from error
    return done.stdout
