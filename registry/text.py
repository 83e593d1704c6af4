"""What people write: notes, reasons, names of who did it. Kept as written, if it can be kept at all."""

from __future__ import annotations

import re
import unicodedata

from postil.registry.errors import TextError

MAX_CHARACTERS = 4000
# C0 and C1 controls: on a terminal they are orders, not text.
# What moves a terminal's cursor, its clipboard (OSC 52) or the order of what is read, and what nobody sees: C0 and C1
# controls but newline and tab, marks and overrides of direction, other line ends, invisible tags, and halves of a pair,
# which are no text. Terminals and pages show it escaped.
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROLS_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def spelling(text: str) -> str:
    """``text`` as a reader sees it: without blanks around and hidden characters, letters encoded in one way."""
    seen = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return " ".join(unicodedata.normalize("NFC", seen).split())


def required(text: str, what: str) -> str:
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


def kept_line(text: str, what: str) -> str:
    """As ``kept``, for reasons and names: no control characters, newline and tab included."""
    return _without(_CONTROLS, kept(text, what), what)


def kept_lines(text: str, what: str) -> str:
    """As ``kept``, for notes and remarks: no control characters but newline and tab."""
    return _without(_CONTROLS_IN_LINES, kept(text, what), what)


def cleaned(text: str) -> str:
    """``text`` as a reason that ``kept_line`` takes: for what a program said, which nobody can write again."""
    whole = text[:MAX_CHARACTERS].encode(errors="replace").decode()
    return _CONTROLS.sub(" ", whole)


def _without(controls: re.Pattern[str], text: str, what: str) -> str:
    if found := controls.search(text):
        raise TextError(f"the {what} holds a control character ({found.group()!r}); leave it out")
    return text
