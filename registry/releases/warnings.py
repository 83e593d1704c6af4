"""What the publisher of a release may not have meant, one sentence each: kept with it, and shown wherever it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postil.registry.base_model.model import BaseModel
from postil.registry.policy.policy import Policy
from postil.registry.policy.publishable import policy_warnings
from postil.registry.policy.training_match import training_warnings
from postil.registry.preflight.chat_template import template_warnings
from postil.registry.preflight.preflight import AdapterInfo
from postil.registry.preflight.untrusted import named


def folder_warnings(folder: Path, base: BaseModel, info: AdapterInfo) -> list[str]:
    """Return the warnings that come from files that no release keeps."""
    found = template_warnings(folder, base.path)
    if info.other_base is not None:
        found.append(
            f"the adapter was trained for {named(info.other_base)}, and its publisher says that it fits {base.id}"
        )
    return found


def release_warnings(policy: Policy, report: Mapping[str, Any]) -> list[str]:
    """Return the warnings that come from a policy, and from what training reported."""
    return [*policy_warnings(policy), *training_warnings(policy, report)]
