"""Writes to a terminal what others wrote: control characters are shown as text, and never reach the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from postil.registry.text import CONTROLS


def visible(text: str) -> str:
    r"""Return the text with control characters shown as ``\x1b`` or ``\u202e``."""
    return CONTROLS.sub(_shown, text)


class Terminal(Console):
    """A console for texts of tenants, publishers, models and files; the one way to a terminal.

    Markup (``[bold]``, ``[link=...]``) in a text is shown as it is. Styles are given apart from the text.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a string into a renderable text, escaped before its width is measured."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything; only what rich itself writes controls the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
