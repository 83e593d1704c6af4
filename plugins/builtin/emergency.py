"""``emergency``: a message that reads like an emergency gets a notice and a review, and keeps its answer.

It knows English wordings and common misspellings of a few dangers, and what ``phrases`` adds. "No chest pain" is no
alarm; where a denial is not plain ("no longer", "not only", a comma between), it is one: a false alarm costs a notice.
It is no triage: an emergency that is told in other words passes without a notice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import re2
from pydantic import Field

from postil.plugins.contract import Config, InputCheck
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import asked, asked_last, ends
from postil.plugins.types import RequestContext, Verdict

# RE2 knows the edges of ASCII's words alone; phrases may be in any script.
_EDGE = r"(?:^|$|[^\pL\pN]|\b)"
NOTICE = "This may be an emergency. Call your local emergency number now."
# The end of what was said, so many characters of it in all: what matters stands there, and is read in time.
_MOST = 100_000
_UNSEEN = frozenset({"Cf", "Mn"})
# Up to four words between two that belong together, in one sentence; and up to two.
_NEAR = r"(?:[^\w.!?]+\w+){0,4}?[^\w.!?]+"
_BY = r"(?:[^\w.!?]+\w+){0,2}?[^\w.!?]+"
_CHEST = r"(?:chest|chst|cheast|breastbone)"
_PAIN = r"(?:pain\w*|hurt\w*|ach(?:es|ing|e)|tight\w*|pressure|crushing|squeez\w*|burning|heav(?:y|iness))"
_BREATHE = r"(?:breath(?:e|es|ing|in)?|breeth\w*|breth(?:e|es|ing|in)?)"
_HARD = r"(?:troubles?|difficult\w*|hard|hardly|barely|struggl\w*|problems?|unable|stopped|gasping)"
_CANNOT = r"(?:can'?t|can ?not|couldn'?t|could not|not able to|not|isn'?t)"
_LIMB = r"(?:arm|leg|face|side|hand)s?"
_NUMB = r"(?:droop\w*|numb\w*|paraly[sz]ed|weak(?:ness)?)"
_WISH = r"(?:want\w*|going|urge|think\w*|thoughts?|plan\w*|feel\w*|like)"
_ONESELF = r"(?:my ?self|himself|herself|themsel\w+)"
_PILLS = r"(?:pills?|tablets?|meds|medications?|medicines?|paracetamol|tylenol|ibuprofen|insulin)"
_TOXIC = r"(?:bleach|poison\w*|antifreeze|detergent|battery|batteries|pesticide|rat bait)"
_STRONGLY = r"(?:heav\w*|sever\w*|bad\w*|profuse\w*|uncontroll\w*|lots? of|a lot|keeps?|everywhere)"
_NO_STOP = r"(?:won'?t|will not|can'?t|cannot|doesn'?t|does not|not) stop\w*"

WORDINGS: Mapping[str, Sequence[str]] = {
    "chest pain": (
        rf"{_CHEST}{_NEAR}{_PAIN}", rf"{_PAIN}{_NEAR}{_CHEST}", rf"{_CHEST}pains?", r"heart ?att?acks?", r"angina",
        r"cardiac arrest",
    ),
    "breathing": (
        rf"{_HARD}{_BY}{_BREATHE}", rf"{_CANNOT} (?:\w+ )?{_BREATHE}", r"(?:short\w*|out) of breath",
        rf"{_BREATHE}{_BY}(?:difficult\w*|trouble|hard|stopped)", r"catch (?:my|his|her|their) breath",
        r"breathless\w*", rf"{_CANNOT} get (?:any |enough )?air", r"chok(?:ing|ed)", r"suffocat\w+",
        rf"(?:lips?|face|skin|turn\w*|gone|going){_BY}blue",
    ),
    "stroke": (
        r"(?:having|has|had|have|think|like|signs?|symptoms?) (?:\w+ ){0,2}?(?:mini[ -]?)?stroke",
        rf"{_LIMB}{_NEAR}{_NUMB}", rf"{_NUMB}{_NEAR}{_LIMB}", rf"{_CANNOT} (?:move|feel|lift){_BY}{_LIMB}",
        rf"slurr\w+{_BY}(?:speech|words?)", rf"(?:speech|words){_BY}slurr\w+", r"slurring",
        rf"(?:sudden\w*|worst){_NEAR}(?:headache|head ache|vision|blind\w*)",
    ),
    "suicidal thoughts": (
        r"sui?ci?[ds]\w*", rf"(?:kill\w*|hang\w*|shoot\w*|harm\w*) {_ONESELF}", r"self[ -]?harm\w*",
        rf"{_WISH}{_NEAR}(?:hurt\w*|cut\w*) {_ONESELF}", r"end(?:ing)? it all",
        r"(?:end|ending|take|taking) (?:my|his|her|their) (?:own )?life",
        r"(?:want|wants|wanna|wish\w*)(?: \w+){0,3}? (?:die|be dead|was dead|were dead|not wake up)",
        r"(?:don'?t|do not|doesn'?t|no longer|not) (?:want|wish|wanna)(?: to)? (?:live|be alive|go on living|exist)",
        r"no (?:reason|point)(?: \w+){0,2}? (?:live|living|go on)", r"better off (?:dead|without me)",
    ),
    "bleeding": (
        rf"{_STRONGLY}{_BY}ble(?:e|a)d\w*", rf"ble(?:e|a)d\w*{_NEAR}{_STRONGLY}", rf"{_NO_STOP}{_BY}ble(?:e|a)d\w*",
        rf"ble(?:e|a)d\w*{_NEAR}{_NO_STOP}", r"h[ae]+mm?or+h?ag\w+",
        r"blood(?: \w+){0,3}? (?:everywhere|gush\w*|spurt\w*)",
        r"(?:cough\w*|vomit\w*|throw\w*|spit\w*|puk\w*|losing|lost|lots?)(?: \w+){0,2}? blood",
    ),
    "anaphylaxis": (
        r"anaph[iy]l\w*", r"(?:severe|bad|serious)(?: \w+){0,2}? allergic", r"used (?:my |the |an )?epi ?-?pen",
        rf"(?:throat|tongue|face|lips?){_NEAR}(?:clos\w*|swell\w*|swollen|swole\w*)",
        rf"(?:swell\w*|swollen|closing){_BY}(?:throat|tongue|face|lips?)",
    ),
    "overdose": (
        r"over ?-?dos(?:e|ed|es|ing)", r"o\.?d'?(?:e?d|ing) on", rf"too many(?: \w+){{0,2}}? {_PILLS}",
        rf"(?:whole|entire|full|bottle|handful|box)(?: \w+){{0,4}}? {_PILLS}", r"(?:been|got) poisoned",
        rf"(?:drank|drunk|drinks?|swallow\w*|ate|eaten|ingest\w*)(?: \w+){{0,3}}? {_TOXIC}",
    ),
    "unconscious": (
        r"un ?con[sc]+i?o?us\w*", r"unresponsive", r"(?:not|isn'?t|won'?t|doesn'?t) (?:\w+ )?(?:respond\w*|wak\w+)",
        r"passed out", r"collapsed", r"s(?:ei|ie|e)z[eu]r\w*", r"convuls\w+", r"no pulse",
    ),
}  # fmt: skip

_NOT = (
    r"(?:no|not|without|never|nor|denies|denied|denying|don'?t|do not|doesn'?t|does not|didn'?t|did not|haven'?t"
    r"|have not|hasn'?t|has not|isn'?t|aren'?t|wasn'?t|am not|is not|free of)"
)
_FILLER = r"(?:have|has|had|having|feel|feeling|got|get|getting|been|any|a|an|the|my|signs?|symptoms?|of|experienc\w+)"
_DENIED = re2.compile(rf"\b{_NOT}(?: {_FILLER}){{0,4}} $")
_OR = re2.compile(r"^ (?:or|nor)(?: any| a| an| the| my)? $")


class EmergencyConfig(Config):
    """``phrases`` are looked for beside the built-in wordings, or instead of them (``built_in: false``).

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
    Config = EmergencyConfig
    cost = Cost(ascii=1, other=6)

    def __init__(self, config: EmergencyConfig) -> None:
        super().__init__(config)
        wordings = dict(WORDINGS) if config.built_in else {}
        if config.phrases:
            wordings["phrases"] = [_words(phrase) for phrase in config.phrases]
        if not wordings:
            raise ConfigError("emergency: it has no wordings; give phrases, or leave built_in out")
        self._wordings = {kind: re2.compile(rf"{_EDGE}({'|'.join(some)}){_EDGE}") for kind, some in wordings.items()}

    def check(self, context: RequestContext) -> Verdict:
        """Pass; the reason of the review says which dangers were named."""
        said = asked(context.request) if self.config.whole_conversation else asked_last(context.request)
        texts = [_plain(text) for text in ends(said, _MOST)]
        told = {kind for text in texts for kind in self._told(text)}
        if not told:
            return Verdict.passed()
        kinds = ", ".join(kind for kind in self._wordings if kind in told)
        review = f"emergency wording ({kinds})" if self.config.review else ""
        return Verdict.passed(notice=self.config.notice, review=review)

    def _told(self, text: str) -> Iterator[str]:
        """The dangers that are named and not plainly denied; ``or`` carries a denial on to the next."""
        found = [(one.span(1), kind) for kind, wording in self._wordings.items() for one in wording.finditer(text)]
        last_end, last_denied = 0, False
        for (start, end), kind in sorted(found):
            again = last_denied and _OR.search(text[last_end:start]) is not None
            last_end, last_denied = end, again or _DENIED.search(text[max(0, start - 100) : start]) is not None
            if not last_denied:
                yield kind


def _words(phrase: str) -> str:
    plain = _plain(phrase)
    if not plain:
        raise ConfigError(f"emergency: the phrase {phrase!r} has no character that can be seen; leave it out")
    return re2.escape(plain)  # type: ignore[no-any-return]


def _plain(text: str) -> str:
    """Small letters without accents, straight apostrophes, single spaces, no hidden characters."""
    plugin_host = unicodedata.normalize("NFKD", text) if not text.isascii() else text
    shown = (
        plugin_host
        if plugin_host.isascii()
        else "".join(one for one in plugin_host if unicodedata.category(one) not in _UNSEEN)
    )
    return " ".join(shown.casefold().replace("\u2019", "'").encode(errors="replace").decode().split())


@hookimpl
def postil_input_checks() -> Sequence[type[InputCheck]]:
    """Offer ``emergency``."""
    return [Emergency]
