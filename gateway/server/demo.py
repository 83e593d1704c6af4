"""The demo: three domains with trained adapters, published in the ordinary way if they are missing."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from postil.registry.names import AdapterName, parse_adapter
from postil.registry.policy.policy import parse_policy
from postil.registry.releases.service import Registry

ACTOR = "demo"
ADAPTERS = ("healthcare/triage", "legal/clause", "finance/intent")


def demo_folder() -> Path:
    """Return the folder with the demo's data, policies and adapters."""
    return Path(str(resources.files("postil.demo")))


def seed(registry: Registry) -> None:
    """Publish and promote every demo adapter that the registry does not know; leave existing ones as they are."""
    known = {str(state.name) for state in registry.adapters()}
    for name in ADAPTERS:
        if name not in known:
            _publish_versions(registry, parse_adapter(name))


def _publish_versions(registry: Registry, name: AdapterName) -> None:
    folder = demo_folder() / name.domain / name.adapter
    policy = parse_policy((folder / "policy.yaml").read_bytes())
    for version in sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)):
        with registry.artifacts.incoming() as incoming:
            shutil.copytree(version, incoming, dirs_exist_ok=True)
            note = f"demo, version {version.name}"
            release, _ = registry.publish(incoming, name, policy, note=note, actor=ACTOR)
        registry.promote(name.release(release.number), reason=note, actor=ACTOR)
