"""What has to hold before a release is made: version, changelog, working tree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_HEADING = re.compile(r"^## (\S+) \(([^)]+)\)$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def version_of(root: Path) -> str:
    """Return the version that pyproject.toml states."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def changes_of(root: Path, version: str) -> str:
    """Return the changelog's section of a version without its heading; empty where there is none."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = next((match for match in _HEADING.finditer(text) if match[1] == version), None)
    return "" if found is None else text[found.end() :].partition("\n## ")[0].strip()


def faults(root: Path) -> Iterator[str]:
    """Say what stands in the way of a release, a sentence each."""
    version = version_of(root)
    if not _VERSION.fullmatch(version):
        yield f"pyproject.toml has the version {version}; write it as MAJOR.MINOR.PATCH"
    yield from _faults_of_changelog(root, version)
    if _git(root, "status", "--porcelain"):
        yield "the working tree has changes; commit or remove them"
    if _git(root, "tag", "--list", f"v{version}"):
        yield f"the tag v{version} is there already; raise the version in pyproject.toml"


def _faults_of_changelog(root: Path, version: str) -> Iterator[str]:
    headings = _HEADING.findall((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if not headings or headings[0][0] != version:
        yield f"the newest section of CHANGELOG.md is not of {version}; begin it with `## {version} (YYYY-MM-DD)`"
        return
    if not _DATE.fullmatch(headings[0][1]):
        yield f"CHANGELOG.md says that {version} is {headings[0][1]}; write the day as YYYY-MM-DD"
    if not changes_of(root, version):
        yield f"CHANGELOG.md says nothing about {version}; say what changed for users"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()
