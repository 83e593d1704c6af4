"""What people write: notes, reasons, names of who did it. Kept as written, if it can be kept at all."""

from __future__ import annotations

from postil.registry.errors import TextError

MAX_CHARACTERS = 4000


def needed(text: str, what: str) -> str:
    """Return text that is not blank. Raises TextError."""
    if not text.strip():
        raise TextError(f"the {what} is missing; write why, for those who read the log")
    return text


def kept(text: str, what: str) -> str:
    """``text`` itself. Raises TextError if a database could not give it back unchanged, or if it is too long."""
    if len(text) > MAX_CHARACTERS:
        raise TextError(f"the {what} has {len(text)} characters; write {MAX_CHARACTERS} at most")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TextError(f"the {what} holds a character that is no text (NUL, or half of a pair); leave it out")
    return text
