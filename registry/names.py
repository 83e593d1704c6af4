"""Names: ``healthcare/triage`` is an adapter, ``healthcare/triage@4`` a release of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from postil.plugins import ReleaseRef
from postil.registry.errors import NameInvalidError

PART = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"
_ADAPTER = re.compile(rf"({PART})/({PART})")
_RELEASE = re.compile(rf"({PART})/({PART})@([1-9][0-9]{{0,8}})")
LARGEST_NUMBER = 999_999_999
RESERVED = frozenset({"base", "auto"})


@dataclass(frozen=True, slots=True, order=True)
class AdapterName:
    """A named LoRA of a domain."""

    domain: str
    adapter: str

    def __str__(self) -> str:
        return f"{self.domain}/{self.adapter}"

    def release(self, number: int) -> ReleaseRef:
        """The release of this adapter with that number."""
        return ReleaseRef(self.domain, self.adapter, number)


def parse_adapter(text: str) -> AdapterName:
    """Read ``domain/adapter``. Raises NameInvalidError."""
    match = _ADAPTER.fullmatch(text)
    if not match or match[1] in RESERVED:
        raise NameInvalidError(
            f"{text!r} is not an adapter name; write domain/adapter in lower-case letters, digits, - and _,"
            " such as healthcare/triage"
        )
    return AdapterName(match[1], match[2])


def parse_release(text: str) -> ReleaseRef:
    """Read ``domain/adapter@number``. Raises NameInvalidError."""
    match = _RELEASE.fullmatch(text)
    if not match:
        raise NameInvalidError(f"{text!r} is not a release; write domain/adapter@number, such as healthcare/triage@4")
    return ReleaseRef(match[1], match[2], int(match[3]))


def parse_domain(text: str) -> str:
    """Read a domain's name. Raises NameInvalidError."""
    if not re.fullmatch(PART, text) or text in RESERVED:
        raise NameInvalidError(f"{text!r} is not a domain name; write one such as healthcare")
    return text
