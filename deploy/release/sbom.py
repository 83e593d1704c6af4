"""A software bill of materials of the gateway: what is pinned for it, as CycloneDX writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


def sbom(version: str, pins: Iterable[Path]) -> str:
    """Return the bill of materials of a version as JSON: every package that these files pin."""
    bom = Bom()
    bom.metadata.tools.components.add(this_component())
    bom.metadata.component = own = _component("postil", version, ComponentType.APPLICATION)
    own.licenses.add(LicenseExpression("Apache-2.0"))
    needed = [_component(name, pinned, ComponentType.LIBRARY) for name, pinned in _pins(pins)]
    bom.components.update(needed)
    bom.register_dependency(own, needed)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(name: str, version: str, kind: ComponentType) -> Component:
    url = PackageURL("pypi", None, name, version)
    return Component(type=kind, name=name, version=version, purl=url, bom_ref=url.to_string())


def _pins(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Return the packages that these files pin, each with its version."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return sorted(set(re.findall(r"^([a-z0-9-]+)==(\S+)$", text, re.MULTILINE)))
