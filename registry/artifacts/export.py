"""Export of a release: the files of its artifact, its policy and a model card.

Publishing an export gives the same release: publish reads the policy and the signature and ignores the card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from postil.registry.artifacts.archives.tar import TarFile
from postil.registry.artifacts.contents import CARD, POLICY
from postil.registry.artifacts.model_card import model_card
from postil.registry.db.tables import Release
from postil.registry.defaults import SIGNATURE

# Line breaks in YAML but not to authors of prompts; only double quotes preserve them.
_LINE_ENDS = frozenset("\r\x85\u2028\u2029\ufeff")


class _Plain(yaml.SafeDumper):
    """YAML without aliases, which policies must not contain; every text is read back unchanged."""

    def ignore_aliases(self, data: Any) -> bool:
        """Ignore aliases for all values."""
        return True

    def represent_scalar(self, tag: str, value: Any, style: str | None = None) -> yaml.ScalarNode:
        """Put texts with unusual line breaks in double quotes, where they are escaped."""
        odd = isinstance(value, str) and not _LINE_ENDS.isdisjoint(value)
        return super().represent_scalar(tag, value, style='"' if odd else style)


def release_files(release: Release, artifact: Path, signature: str | None = None) -> Sequence[TarFile]:
    """Return the files of an export; ``artifact`` is the verified folder of the release's artifact."""
    added = {POLICY: policy_text(release.policy), CARD: model_card(release, artifact)}
    if signature is not None:
        added[SIGNATURE] = signature
    own = [TarFile(path.name, path) for path in artifact.iterdir() if path.name not in added]
    return sorted([*own, *(TarFile(name, text.encode()) for name, text in added.items())], key=lambda file: file.name)


def policy_text(policy: Mapping[str, Any]) -> str:
    """Return a release's policy as YAML."""
    return yaml.dump(dict(policy), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
