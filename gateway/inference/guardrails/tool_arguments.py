"""Holds back a tool call's arguments: judged with JSON escapes resolved, sent as the model wrote them.

A word can be spelt with escapes (``s\\u0065cret``), and whoever runs the tool reads the word.
"""

from __future__ import annotations

import json
import re

from postil.gateway.inference.guardrails.holdback import HoldbackBuffer, Rule

# A pair of surrogates is one character; what may become an escape waits for its rest.
_ESCAPE = re.compile(
    r'\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\["\\/bfnrt]', re.ASCII
)
_UNFINISHED = re.compile(
    r"\\(u[\da-fA-F]{0,3})?|\\u[dD][89abAB][\da-fA-F]{2}(\\(u([dD]([c-fC-F][\da-fA-F]?)?)?)?)?", re.ASCII
)
_PLAIN = re.compile(r"[^\\]+")
_UNREADABLE = "\ufffd"


class ToolArguments(HoldbackBuffer):
    """A HoldbackBuffer that remembers how each character was spelt."""

    _spelt: tuple[str, ...] = ()
    _unfinished = ""

    def feed(self, text: str) -> None:
        """Add text; an escape counts once it is complete."""
        if self.stopped_by is not None:
            return
        text, at = self._unfinished + text, 0
        read: list[str] = []
        spelt: list[str] = []
        while at < len(text) and not _UNFINISHED.fullmatch(text, at):
            plain = _PLAIN.match(text, at)
            escape = None if plain else _ESCAPE.match(text, at)
            if plain:
                read.append(plain[0])
                spelt += plain[0]
            else:
                spelt.append(escape[0] if escape else "\\")
                read.append(_meant(escape[0]) if escape else "\\")
            at += len(plain[0]) if plain else len(spelt[-1])
        self._unfinished = text[at:]
        self._spelt += tuple(spelt)
        super().feed("".join(read))

    async def drain(self, finish: str | None = None, *, ends: bool = False) -> str:
        """The text that may be sent now; an incomplete escape counts as the characters it is."""
        if ends:
            self._spelt += tuple(self._unfinished)
            super().feed(self._unfinished)
            self._unfinished = ""
        return await super().drain(finish, ends=ends)

    def _spelling(self, start: int, end: int) -> str:
        return "".join(self._spelt[start:end])

    def _drop(self, count: int) -> None:
        super()._drop(count)
        self._spelt = self._spelt[count:]

    def _said_instead(self, rule: Rule) -> str:
        """Inside of a JSON string, where most of what fails stands."""
        return json.dumps(rule.use.replacement)[1:-1]


def _meant(escape: str) -> str:
    meant = str(json.loads(f'"{escape}"'))
    return _UNREADABLE if "\ud800" <= meant <= "\udfff" else meant
