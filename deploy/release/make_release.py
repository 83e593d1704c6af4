"""Make a release of postil: ``make release`` tries it, ``make release REALLY=1`` writes ``dist/``.

It checks version, changelog and working tree, builds the source distribution and from that the wheel, holds the wheel
against the repository, and writes a bill of materials, notes and checksums. It tags and uploads nothing: what is left
to a person is printed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from deploy.release.checks import changes_of, faults, version_of
from deploy.release.sbom import sbom

ROOT = Path(__file__).resolve().parents[2]
# Which folder of the repository is which package.
PACKAGES = {"gateway/": "postil/gateway/", "registry/": "postil/registry/", "plugins/": "postil/plugins/"}
DEMO = {"deploy/demo/": "postil/demo/"}
# Packages of their own, and pages that are read in the repository.
_APART = ("plugins/examples/", "plugins/README.md")
_SDIST = "from setuptools import build_meta; import sys; build_meta.build_sdist(sys.argv[1])"


def main(arguments: Sequence[str]) -> int:
    """Make or try a release. Returns the exit status: 1 where something stands in its way."""
    really = "--really" in arguments
    found = list(faults(ROOT))
    for fault in found:
        print(f"release: not ready: {fault}")
    if really and found:
        return 1
    folder = ROOT / ("dist" if really else "build/release/dist")
    build(folder)
    lost = missing(next(folder.glob("*.whl")), tracked(ROOT))
    for name in lost:
        print(f"release: not ready: the wheel lacks {name}; name it in pyproject.toml under package-data")
    _tell(folder, really=really)
    return 1 if found or lost else 0


def build(folder: Path) -> None:
    """Write source distribution, wheel, bill of materials, notes and checksums into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = _tools(ROOT / "build" / "release" / "tools")
    _run(python, "-c", _SDIST, str(folder), cwd=ROOT)
    (source,) = folder.glob("*.tar.gz")
    # From the source distribution, so that what that lacks is missing here and noticed.
    _run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source), cwd=folder)
    version = version_of(ROOT)
    pins = [ROOT / "deploy" / "requirements" / "core.txt"]
    (folder / f"postil-{version}.cdx.json").write_text(sbom(version, pins) + "\n", encoding="utf-8")
    (folder / "NOTES.md").write_text(changes_of(ROOT, version) + "\n", encoding="utf-8")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def tracked(root: Path) -> list[str]:
    """Return the files of the repository that git knows."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, encoding="utf-8")
    return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]


def missing(wheel: Path, files: Sequence[str]) -> list[str]:
    """Return which of these files belong into the wheel and are not there."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {
        name: place + name.removeprefix(folder)
        for name in files
        for folder, place in (PACKAGES | DEMO).items()
        if name.startswith(folder) and not name.startswith(_APART)
    }
    return sorted(name for name, place in wanted.items() if place not in packed)


def _tools(folder: Path) -> Path:
    """Make an environment with what builds, as pyproject.toml asks for it; returns its Python."""
    _run(Path(sys.executable), "-m", "venv", "--clear", str(folder), cwd=ROOT)
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "setuptools>=80", cwd=ROOT)
    return python


def _run(program: Path, *arguments: str, cwd: Path) -> None:
    done = subprocess.run([program, *arguments], cwd=cwd, check=False, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"release: `{program.name} {' '.join(arguments)}` failed: {done.stderr.strip()[-2000:]}")


def _tell(folder: Path, *, really: bool) -> None:
    for path in sorted(folder.iterdir()):
        print(f"release: {path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    if not really:
        print("release: this was a trial; `make release REALLY=1` writes dist/")
        return
    version = version_of(ROOT)
    print(f"release: now sign the tag: git tag --sign v{version} --file dist/NOTES.md && git push origin v{version}")
    print("release: then upload what is in dist/ (deploy/docs/release-checklist.md)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
