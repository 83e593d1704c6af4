"""Decodes the engine's JSON; text that is not JSON, or has another shape, becomes an error of the gateway here.

Whatever answers at the engine's address may send anything with a 200: a proxy its login page, another server its own
JSON. Such an answer fails its own request and nothing else.
"""

from __future__ import annotations

import logging
from typing import TypeVar

import msgspec

from postil.gateway.errors import EngineUnavailableError

log = logging.getLogger(__name__)
_Shape = TypeVar("_Shape")
# What msgspec raises at hostile bytes: text that is no UTF-8, and nesting without an end, among them.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UnreadableAnswerError(EngineUnavailableError):
    """The engine's answer cannot be read."""


def decode(body: bytes, decoder: msgspec.json.Decoder[_Shape], what: str = "answer") -> _Shape:
    """Decode ``body`` with ``decoder``. Raises UnreadableAnswerError."""
    try:
        return decoder.decode(body)
    except _UNREADABLE as error:
        raise unreadable(type(error).__name__, what) from None


def unreadable(why: str, what: str = "answer") -> UnreadableAnswerError:
    """The error for what cannot be read; ``why`` goes to the log, and quotes nothing: the text may be an answer's."""
    log.warning("the engine sent an %s that cannot be read: %s", what, why)
    return UnreadableAnswerError(f"the engine sent an {what} that cannot be read; ask again")
