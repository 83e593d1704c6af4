"""``hf://org/name/folder@revision``: the location of an adapter on a hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from postil.registry.errors import NameInvalidError

SCHEME = "hf://"
COMMIT = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(
    r"hf://(?P<repo>[\w.-]{1,96}/[\w.-]{1,96})(?:/(?P<folder>[\w.+-]{1,96}(?:/[\w.+-]{1,96}){0,7}))?"
    r"(?:@(?P<revision>[\w./+-]{1,250}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class HubRef:
    """A repository and a revision: a branch, a tag, a commit, or None for the newest; and a folder in it."""

    repo: str
    revision: str | None = None
    folder: str = ""

    def __str__(self) -> str:
        folder = f"/{self.folder}" if self.folder else ""
        return f"{SCHEME}{self.repo}{folder}" + (f"@{self.revision}" if self.revision else "")

    @property
    def prefix(self) -> str:
        """What the paths of its files in the repository begin with."""
        return f"{self.folder}/" if self.folder else ""


def parse_hub_ref(text: str) -> HubRef:
    """Parse ``hf://org/name``, with a folder (``/checkpoint-10``) and a revision (``@main``) or without.

    Raises NameInvalidError.
    """
    match = _REF.fullmatch(text)
    if not match or ".." in text or "--" in match["repo"]:
        raise NameInvalidError(
            f"{text!r} is not an address on a hub; use hf://org/name or hf://org/name@revision,"
            " such as hf://acme/triage@main or hf://acme/triage/checkpoint-10"
        )
    return HubRef(match["repo"], match["revision"], match["folder"] or "")
