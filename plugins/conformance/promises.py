"""The one error that the kit raises, and how it shows what it found."""

from __future__ import annotations

from typing import NoReturn

_SHOWN = 80


class BrokenPromiseError(AssertionError):
    """A plugin does not do what the contract says; the text is one sentence that says what, and with which input."""


def broken(name: str, sentence: str) -> NoReturn:
    """Raise BrokenPromiseError about the plugin of that name."""
    raise BrokenPromiseError(f"{name} {sentence}")


def shown(value: object) -> str:
    """A value as it stands in a sentence: short enough to be read."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def one_sentence(text: str) -> bool:
    """Whether people can read it as one line."""
    return bool(text.strip()) and "\n" not in text and len(text) <= 500


def told(arguments: object) -> object:
    """Of what a method got, what the author wrote: a text rather than the exchange around it."""
    if isinstance(arguments, tuple):
        texts = [getattr(each, "text", None) for each in arguments]
        last = arguments[-1] if arguments else arguments
        return next((text for text in texts if isinstance(text, str)), getattr(last, "request", last))
    return arguments
