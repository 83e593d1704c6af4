"""``blocklist``: phrases and patterns that may not leave, in streams too.

Phrases are compared without regard to case and to how Unicode spells a character (``ﬁ`` and ``fi``, full width, NFC
and NFD), over line breaks and doubled spaces, and through a few hidden characters (zero width, soft hyphen). They are
not compared by looks: a Cyrillic ``а`` is not a Latin ``a``, and ``p0ison`` is not ``poison``; that takes a pattern.
Patterns are RE2's: linear in the length of the text whatever they say, so none can hang the gateway, and without
back-references or look-around.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from re import _parser  # type: ignore[attr-defined]
from typing import Annotated, Any

import re2
from pydantic import Field

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import inner, merged, tool_texts
from postil.plugins.types import Completion, RequestContext, Verdict, window

LONGEST = 4096
# A phrase may be stretched by so many hidden characters and doubled spaces. More would have to be held back.
_SLACK = 4
# Spans of one text. What holds more than this has its last one reach to the end.
_MANY = 1000
# Scripts that put no space between words: a phrase that ends in one of them has no boundary to look for.
_SPACELESS = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
# RE2's own escapes: ``\pL`` and ``\p{Greek}`` are one character, ``\z`` none; any other is passed over whole.
_OWN = re.compile(r"\\(?:([pP])(?:\{\^?\w+\}|\w)|.)", re.DOTALL)
_VARIATION = frozenset(map(chr, (0x34F, *range(0xFE00, 0xFE10))))

Phrase = Annotated[str, Field(min_length=1, max_length=500)]
Pattern = Annotated[str, Field(min_length=1, max_length=2000)]
Hit = tuple[int, int]


class BlocklistConfig(Config):
    """``phrases`` are found as whole words (unless ``whole_words: false``), ``patterns`` anywhere.

    ``window`` is the most characters that a match of an unbounded pattern (``a.*b``) can have: longer ones are not
    found. Neither regards case, unless ``case_sensitive: true``.
    """

    phrases: Annotated[tuple[Phrase, ...], Field(max_length=2000)] = ()
    patterns: Annotated[tuple[Pattern, ...], Field(max_length=100)] = ()
    case_sensitive: bool = False
    whole_words: bool = True
    window: Annotated[int, Field(ge=1, le=LONGEST)] | None = None


class Blocklist(Validator):
    """Fails a text that holds one of the phrases or matches one of the patterns, and says where."""

    name = "blocklist"
    Config = BlocklistConfig

    def __init__(self, config: BlocklistConfig) -> None:
        super().__init__(config)
        if not (config.phrases or config.patterns):
            raise ConfigError("blocklist: it has neither phrases nor patterns; give one of them")
        self._phrases = [_Phrase(text, config) for text in dict.fromkeys(config.phrases)]
        self._patterns = [_Pattern(number, config) for number in range(len(config.patterns))]
        longest = [one.longest for one in self._phrases] + [one.longest for one in self._patterns]
        self.scope = window(max(longest) + 2)  # The character on either side decides whether it is a whole word.
        each = 0.5 + 0.02 * len(self._phrases) + 2 * _depth(self._phrases) + sum(one.cost for one in self._patterns)
        self.cost = Cost(ascii=each, other=each + 5)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with the spans of all that was found; the reason does not repeat it."""
        hits = list(islice(self._hits(completion.text, *inner(completion)), _MANY))
        if len(hits) == _MANY:
            hits.append((min(start for start, _ in hits), len(completion.text)))
        if hits:
            return Verdict.failed("it holds what the blocklist names", merged(hits))
        if any(self._holds(text) for text in tool_texts(completion)):
            return Verdict.failed("a tool call holds what the blocklist names")
        return Verdict.passed()

    def _holds(self, text: str) -> bool:
        return next(self._hits(text, 0, len(text)), None) is not None

    def _hits(self, text: str, low: int, high: int) -> Iterator[Hit]:
        if self._phrases:
            folded, origins = _fold(text, case_sensitive=self.config.case_sensitive)
            for phrase in self._phrases:
                yield from phrase.hits(text, folded, origins, low, high)
        if self._patterns:
            readable = _Readable(text)
            for pattern in self._patterns:
                yield from pattern.hits(readable, low, high)


class _Phrase:
    """One phrase, and how to find it in a folded text."""

    def __init__(self, text: str, config: BlocklistConfig) -> None:
        edges = "".join({one for one in text if one.isspace() or _is_hidden(one)})
        shown = text.strip(edges)
        self.folded = _fold(shown, case_sensitive=config.case_sensitive)[0]
        if not self.folded:
            raise ConfigError(f"blocklist: the phrase {text!r} has no character that can be seen; leave it out")
        self._left = config.whole_words and _bounded(self.folded[0])
        self._right = config.whole_words and _bounded(self.folded[-1])
        # Never less than it is itself, with the hidden characters that it was given with.
        self.longest = max(len(self.folded), len(shown)) + _SLACK

    def hits(self, text: str, folded: str, origins: Sequence[int], low: int, high: int) -> Iterator[Hit]:
        """Where it stands in ``text``, at ``low`` or after and up to ``high``."""
        at = folded.find(self.folded)
        while at >= 0:
            last = at + len(self.folded) - 1
            start, end = origins[at], origins[last] + 1
            # A character can fold to many: a match that begins or ends within one is none.
            whole = (at == 0 or origins[at - 1] < start) and (last + 1 == len(folded) or origins[last + 1] >= end)
            if whole and low <= start and end <= min(high, start + self.longest) and self._stands(text, start, end):
                yield start, end
            at = folded.find(self.folded, at + 1)

    def _stands(self, text: str, start: int, end: int) -> bool:
        if start > 0 and self._left and _is_word(text[start - 1]):
            return False
        return end == len(text) or not (_is_mark(text[end]) or (self._right and _is_word(text[end])))


class _Pattern:
    """One pattern. A match counts if it has at most ``longest`` characters."""

    def __init__(self, number: int, config: BlocklistConfig) -> None:
        source, where = config.patterns[number], f"blocklist: patterns.{number}"
        options = re2.Options()
        options.log_errors = False
        options.longest_match = True
        options.case_sensitive = config.case_sensitive
        try:
            self._regex = re2.compile(source, options)
        except re2.error as error:
            said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
            raise ConfigError(f"{where} is no pattern of RE2 ({said}); mend it") from error
        if self._regex.fullmatch("") is not None:
            raise ConfigError(f"{where} matches the empty text, so every answer; make it ask for a character")
        widest = _widest(source)
        if widest is None and config.window is None:
            raise ConfigError(
                f"{where} can match a text of any length; say `window`, the most characters of a match, or bound it,"
                " as in {1,40}"
            )
        self._bounded = widest is not None
        self.longest = max(widest if widest is not None else config.window or 1, 1)
        # Microseconds for each character: where a match that is too long begins at each, each is followed to its end.
        self.cost = 0.1 if self._bounded else 2 + 0.006 * self.longest

    def hits(self, text: _Readable, low: int, high: int) -> Iterator[Hit]:
        """For each place where a match begins, the longest one of those that count."""
        at = low
        while at < high:
            end = high if self._bounded else min(high, at + 2 * self.longest)
            found = text.search(self._regex, at, end)
            if found is None:
                # Every match that counts and begins in the first half of these characters would lie within them.
                at = high if end == high else at + self.longest
                continue
            start, stop = found
            if stop - start > self.longest:
                found = text.match(self._regex, start, min(high, start + self.longest))
            if found is not None and found[1] > start:
                yield found
            at = start + 1


class _Readable:
    """A text as RE2 reads it: in bytes, once for all searches. Given one of Python's, it would read all of it again."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode(errors="replace")  # Half a pair of surrogates becomes one "?".
        # Where each character begins, unless each is one byte.
        self._starts: Sequence[int] = ()
        if len(self._bytes) > len(text):
            self._starts = [at for at, byte in enumerate(self._bytes) if byte & 0xC0 != 0x80]
            self._starts.append(len(self._bytes))

    def search(self, regex: Any, low: int, high: int) -> Hit | None:
        """The first match between two characters."""
        return self._span(regex.search(self._bytes, self._byte(low), self._byte(high)))

    def match(self, regex: Any, low: int, high: int) -> Hit | None:
        """The match that begins at a character."""
        return self._span(regex.match(self._bytes, self._byte(low), self._byte(high)))

    def _byte(self, character: int) -> int:
        return self._starts[character] if self._starts else character

    def _span(self, match: Any) -> Hit | None:
        if match is None:
            return None
        start, end = match.span()
        return (bisect_left(self._starts, start), bisect_left(self._starts, end)) if self._starts else (start, end)


def _depth(phrases: Iterable[_Phrase]) -> int:
    """How many phrases can begin at one place of a text: each is the beginning of the next."""
    most = 0
    begun: list[str] = []
    for text in sorted(phrase.folded for phrase in phrases):
        while begun and not text.startswith(begun[-1]):
            begun.pop()
        begun.append(text)
        most = max(most, len(begun))
    return most


def _widest(source: str) -> int | None:
    """The most characters that a pattern can match; None where that has no bound, or cannot be told.

    Python's own reader says it: where the two languages differ it refuses, or counts too many.
    """
    if "{," in source:  # The one that it would count too few for: RE2 takes `a{,3}` as it stands.
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _, widest = _parser.parse(_OWN.sub(_as_python, source)).getwidth()
    except Exception:
        return None
    return int(widest) if widest <= LONGEST else None


def _as_python(escape: re.Match[str]) -> str:
    return "x" if escape[1] else {r"\z": "$"}.get(escape[0], escape[0])


def _fold(text: str, *, case_sensitive: bool) -> tuple[str, Sequence[int]]:
    """The text as it is compared, and for each of its characters where it came from."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return (text if case_sensitive else text.lower()), range(len(text))
    folded: list[str] = []
    origins: list[int] = []
    for at, character in enumerate(text):
        if character.isspace():
            units = "" if folded and folded[-1] == " " else " "
        elif not character.isascii() and _is_hidden(character):
            units = ""
        else:
            units = _unit(character, case_sensitive=case_sensitive)
        folded += units
        origins += [at] * len(units)
    return "".join(folded), origins


def _unit(character: str, *, case_sensitive: bool) -> str:
    if character.isascii():
        return character if case_sensitive else character.lower()
    plain = unicodedata.normalize("NFKD", character)
    return plain if case_sensitive else unicodedata.normalize("NFKD", plain.casefold())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or character in _VARIATION


def _is_word(character: str) -> bool:
    """Letters, digits and the marks on them; an underscore is none, so that ``_poison_`` is found."""
    return unicodedata.category(character)[0] == "L" or character.isdecimal() or _is_mark(character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" and not _is_hidden(character)


def _bounded(edge: str) -> bool:
    return _is_word(edge) and not unicodedata.name(edge, "").startswith(_SPACELESS)


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``blocklist``."""
    return [Blocklist]
