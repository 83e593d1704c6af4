"""Who holds a claim: the name of one gateway's home, kept in it, so that a restart has what it had."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from postil.registry.fsutil import write_private

FILE = "jobs-holder"
_ID = re.compile("[0-9a-f]{32}")


def holder_of(home: Path) -> str:
    """The name in ``home``; the first call writes one. One gateway at a time has a home. Raises OSError."""
    path = home / FILE
    try:
        known = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        known = ""
    if _ID.fullmatch(known):
        return known
    made = secrets.token_hex(16)
    path.unlink(missing_ok=True)
    write_private(path, made)
    return made
