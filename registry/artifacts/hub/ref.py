"""``hf://org/name@revision``: the location of an adapter on a hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from postil.registry.errors import NameInvalidError

SCHEME = "hf://"
COMMIT = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"hf://(?P<repo>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w./+-]{1,250}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubRef:
    """A repository and a revision: a branch, a tag, a commit, or None for the newest."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def parse_hub_ref(text: str) -> HubRef:
    """Parse ``hf://org/name`` or ``hf://org/name@revision``. Raises NameInvalidError."""
    match = _REF.fullmatch(text)
    if not match or ".." in text or "--" in match["repo"]:
        raise NameInvalidError(
            f"{text!r} is not an address on a hub; use hf://org/name or hf://org/name@revision,"
            " such as hf://acme/triage@main"
        )
    return HubRef(match["repo"], match["revision"])
