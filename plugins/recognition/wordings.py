"""Patterns from text files beside this: what a check looks for is data, one pattern a line, in sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

_SECTION = re.compile(r"\[([a-z ]+)\]")
_SHORT = re.compile(r"([A-Z_]+) = (.*)")
_USED = re.compile(r"\{([A-Z_]+)\}")


def wordings(name: str) -> Mapping[str, list[str]]:
    """The patterns of a file by section, with what its abbreviations stand for in their place."""
    short: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    section = ""
    for line in resources.files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("# "):
            continue
        text = _USED.sub(lambda used: short[used[1]], line)
        if (heading := _SECTION.fullmatch(line)) is not None:
            section = heading[1]
            found[section] = []
        elif (meant := _SHORT.fullmatch(text)) is not None:
            short[meant[1]] = meant[2]
        else:
            found[section].append(text)
    return found
