"""What is said of a field that an endpoint does not take: the same sentences and codes at every endpoint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from postil.gateway.errors import BadRequestError

# A longer name is not repeated whole.
_MOST_CHARACTERS = 64
_UNKNOWN, _UNSUPPORTED, _MISSING = "unknown_parameter", "unsupported_parameter", "missing_required_parameter"


def unknown_field(path: str, name: str, offered: Iterable[str], advice: str | None = None) -> BadRequestError:
    """A name that the endpoint does not know; without ``advice``, the nearest of those that are ``offered`` is said."""
    shown = name[:_MOST_CHARACTERS]
    if advice is None:
        close = next(iter(difflib.get_close_matches(shown, list(offered), 1)), None)
        advice = f"did you mean `{close}`?" if close else "leave it out"
    return BadRequestError(f"{shown!r} is not a field of {path}; {advice}", param=shown, code=_UNKNOWN)


def unsupported_field(name: str, remedy: str) -> BadRequestError:
    """A field that is known, and is not taken here."""
    return BadRequestError(f"`{name}` is not taken here; {remedy}", param=name, code=_UNSUPPORTED)


def undoing_field(name: str, release: str) -> BadRequestError:
    """A field that could undo what a release's policy fixes."""
    why = f"`{name}` could undo what the policy of {release} fixes; leave it out, or ask `base`"
    return BadRequestError(why, param=name, code=_UNSUPPORTED)


def missing_field(*names: str) -> BadRequestError:
    """One of some fields, where one alone has to be there."""
    more = ", and no other" if len(names) > 1 else ""
    return BadRequestError(f"{' or '.join(names)} is required{more}", param=names[0], code=_MISSING)


def wrong_type(name: str, words: str) -> BadRequestError:
    """A value that is not of its field's type."""
    return BadRequestError(f"{name} has to be {words}", param=name)
