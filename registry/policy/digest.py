"""The digest of a policy, by which a release names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(values: Mapping[str, Any]) -> str:
    """The canonical JSON text of a policy's values. Raises ValueError for numbers that JSON does not have."""
    return json.dumps(values, sort_keys=True, allow_nan=False)


def digest_of(values: Mapping[str, Any]) -> str:
    """``sha256:`` of the canonical text. The values are those that the registry stores, whatever version wrote them."""
    return "sha256:" + hashlib.sha256(canonical(values).encode()).hexdigest()
