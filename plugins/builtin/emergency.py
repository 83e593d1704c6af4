"""``emergency``: a message that reads like an emergency gets a notice and a review, and keeps its answer.

It knows English wordings and common misspellings of a few dangers, and what ``phrases`` adds. "No chest pain" is no
alarm; where a denial is not plain ("no longer", "not only", a comma between), it is one: a false alarm costs a notice.
What is told in other words, or in one of five other languages, a small classifier recognises, for the most part: how
much it finds is measured in ``deploy/docs/checks.md``. It is no triage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

import re2
from pydantic import Field

from postil.plugins.contract import Config, InputCheck
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.recognition.danger_model import DangerModel
from postil.plugins.recognition.folding import plain
from postil.plugins.recognition.wordings import wordings as known_wordings
from postil.plugins.texts import asked, asked_last, ends
from postil.plugins.types import RequestContext, Verdict

# RE2 knows the edges of ASCII's words alone; phrases may be in any script.
_EDGE = r"(?:^|$|[^\pL\pN]|\b)"
NOTICE = "This may be an emergency. Call your local emergency number now."
# The end of what was said, so many characters of it in all: what matters stands there, and is read in time.
_MOST = 100_000
# What the classifier recognises is told by no name of its own.
LIKELY = "likely"
# Where a danger is named and denied, or over, the classifier has to be so much surer than where none is named.
_LEAST_DENIED = 0.8
# So far before and after a wording something calmer may stand, in the same sentence.
_AROUND = 90
# A single class of characters takes time in proportion to the text in any engine, and RE2's split is slow from Python.
_SENTENCE = re.compile(r"[.!?\n]")

_NOT = (
    r"(?:no|not|without|never|nor|denies|denied|denying|don'?t|do not|doesn'?t|does not|didn'?t|did not|haven'?t"
    r"|have not|hasn'?t|has not|isn'?t|aren'?t|wasn'?t|am not|is not|free of)"
)
_FILLER = r"(?:have|has|had|having|feel|feeling|got|get|getting|been|any|a|an|the|my|signs?|symptoms?|of|experienc\w+)"
_DENIED = re2.compile(rf"\b{_NOT}(?: {_FILLER}){{0,4}} $")
_OR = re2.compile(r"^ (?:or|nor)(?: any| a| an| the| my)? $")


Span = tuple[int, int]


class EmergencyConfig(Config):
    """``phrases`` are looked for beside the built-in wordings and the classifier, or instead (``built_in: false``).

    ``whole_conversation`` looks at all that the user said, not only at what came since the last answer.
    """

    phrases: Annotated[tuple[Annotated[str, Field(min_length=2, max_length=200)], ...], Field(max_length=500)] = ()
    built_in: bool = True
    notice: Annotated[str, Field(min_length=1, max_length=400)] = NOTICE
    review: bool = True
    whole_conversation: bool = False


class Emergency(InputCheck):
    """Always passes; with a notice for the client and a review, where the user's words name a danger."""

    name = "emergency"
    version = "3"
    Config = EmergencyConfig

    def __init__(self, config: EmergencyConfig) -> None:
        super().__init__(config)
        wordings = dict(known_wordings("emergency.txt")) if config.built_in else {}
        phrases = [_words(phrase) for phrase in config.phrases]
        if phrases:
            wordings["phrases"] = [re2.escape(phrase) for phrase in phrases]
        if not wordings:
            raise ConfigError("emergency: it has no wordings; give phrases, or leave built_in out")
        self._wordings = {
            kind: re2.compile(rf"{_EDGE}({'|'.join(some)}){_EDGE}", _options()) for kind, some in wordings.items()
        }
        self._model = DangerModel("emergency.weights") if config.built_in else None
        # Each phrase makes a text slower to look through, and each place where one stands is looked at.
        each = 0.02 * len(phrases) + (4 / min(map(len, phrases)) if phrases else 0.0)
        self.cost = Cost(ascii=4 + each, other=16 + each)
        calm = known_wordings("emergency_calm.txt")
        self._calm = {
            kind: re2.compile("|".join(calm.get(kind, calm["any"]))) for kind in wordings if kind != "phrases"
        }

    def check(self, context: RequestContext) -> Verdict:
        """Pass; the reason of the review says which dangers were named."""
        said = asked(context.request) if self.config.whole_conversation else asked_last(context.request)
        told = {kind for text in ends(said, _MOST) for kind in self.dangers(text)}
        if not told:
            return Verdict.passed()
        kinds = ", ".join(kind for kind in (*self._wordings, LIKELY) if kind in told)
        review = f"emergency wording ({kinds})" if self.config.review else ""
        return Verdict.passed(notice=self.config.notice, review=review)

    def dangers(self, text: str) -> Sequence[str]:
        """What a text tells of: the dangers of its wordings, or, where it has none, ``likely`` by the classifier."""
        words = plain(text)
        found = self._found(words)
        told = list(self._told(words, found))
        if told or self._model is None:
            return told
        return [LIKELY] if self._model.score(words) > (_LEAST_DENIED if found else 0) else []

    def wordings(self, text: str) -> Sequence[str]:
        """The dangers that a text names in wordings that are known."""
        words = plain(text)
        return list(self._told(words, self._found(words)))

    def _found(self, text: str) -> Sequence[tuple[Span, str]]:
        """Where which wordings stand."""
        return sorted((one.span(1), kind) for kind, wording in self._wordings.items() for one in wording.finditer(text))

    def _told(self, text: str, found: Sequence[tuple[Span, str]]) -> Iterator[str]:
        """The dangers that are named and not plainly denied; ``or`` carries a denial on to the next."""
        told: set[str] = set()
        last_end, last_denied = 0, False
        for (start, end), kind in found:
            again = last_denied and _OR.search(text[last_end:start]) is not None
            last_end, last_denied = end, again or _DENIED.search(text[max(0, start - 100) : start]) is not None
            if not (last_denied or kind in told or self._is_calm(text, start, end, kind)):
                told.add(kind)
                yield kind

    def _is_calm(self, text: str, start: int, end: int, kind: str) -> bool:
        """Whether the sentence says that it is of the past, of a contract, of a machine or a joke."""
        calm = self._calm.get(kind)
        if calm is None:
            return False
        before = _SENTENCE.split(text[max(0, start - _AROUND) : start])[-1]
        after = _SENTENCE.split(text[end : end + _AROUND])[0]
        return calm.search(f"{before}{text[start:end]}{after}") is not None


def _words(phrase: str) -> str:
    said = plain(phrase)
    if not said:
        raise ConfigError(f"emergency: the phrase {phrase!r} has no character that can be seen; leave it out")
    return said


def _options() -> re2.Options:
    """As much memory as five hundred long phrases need: with less, RE2 is slower, and says so on stderr."""
    options = re2.Options()
    options.max_mem = 64 << 20
    options.log_errors = False
    return options


@hookimpl
def postil_input_checks() -> Sequence[type[InputCheck]]:
    """Offer ``emergency``."""
    return [Emergency]
