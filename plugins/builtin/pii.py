"""``pii``: email addresses, phone numbers, payment cards, IBANs, US social security numbers and IP addresses.

Found by how they are written and by their own rules: the check digits of cards (Luhn) and IBANs (mod 97), the numbering
plans of phones, the ranges of addresses. What passes a checksum is found whatever stands beside it; digits of any
script, full width, odd dashes and spaces, and a few hidden characters are read as what they look like. It does not find
names, postal addresses, dates of birth, or what is spelt out ("jane at example dot org"). National phone numbers are
found of the ``regions`` alone, and only where they are grouped or called a phone's: ten digits in a row may be an order
number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import phonenumbers
from pydantic import Field, field_validator

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.hookspecs import hookimpl
from postil.plugins.recognition.folding import Folded, fold
from postil.plugins.recognition.pii_numbers import (
    AFTER,
    BEFORE,
    Found,
    Hit,
    Ibans,
    addresses,
    cards,
    emails,
    security_numbers,
)
from postil.plugins.recognition.pii_phones import Phones
from postil.plugins.texts import merged, tool_texts
from postil.plugins.types import Completion, RequestContext, Verdict, window

Kind = Literal["email", "phone", "card", "iban", "ssn", "ip"]
_DIGIT = re.compile(r"\d", re.ASCII)


class PiiConfig(Config):
    """``kinds``: what is looked for; ``regions``: whose national phone numbers, as two letters (``DE``)."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("email", "phone", "card", "iban", "ssn", "ip")
    regions: Annotated[tuple[str, ...], Field(max_length=20)] = ("US",)

    @field_validator("regions")
    @classmethod
    def _known(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        for region in regions:
            if region not in phonenumbers.SUPPORTED_REGIONS:
                raise ValueError(f"{region!r} is no region; give two capital letters, such as US or DE")
        return regions


@dataclass(frozen=True, slots=True)
class _Search:
    """How to find one kind, the most characters that show it, and what no text that holds one can be without.

    A ``mark``, or so many ``digits``: most texts have neither, and a stream is looked at with each of its tokens.
    """

    find: Callable[[Folded], Iterator[Found]]
    longest: int
    digits: int = 0
    mark: str = ""

    def may_be_in(self, text: str, digits: int) -> bool:
        """Whether it is worth looking in a text with so many digits."""
        return 0 < self.digits <= digits or (self.mark != "" and self.mark in text)

    def hits(self, text: Folded, low: int, high: int) -> Iterator[Hit]:
        """Where the original holds one, of those that are shown by what lies between ``low`` and ``high`` of it."""
        for shown, whole in self.find(text):
            start, end = text.span(*shown)
            if low <= start and end <= high and end - start <= self.longest:
                yield text.span(*whole)


class Pii(Validator):
    """Fails a text that holds personal data of one of the kinds, and says where."""

    name = "pii"
    version = "2"
    Config = PiiConfig

    def __init__(self, config: PiiConfig) -> None:
        super().__init__(config)
        known = _searches(config.regions)
        self._searches = {kind: known[kind] for kind in dict.fromkeys(config.kinds)}
        self.scope = window(max(search.longest for search in self._searches.values()) + BEFORE + AFTER)
        self.cost = Cost(ascii=1.5, other=3, digit=20 + (2 * len(config.regions) if "phone" in config.kinds else 0))

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with the spans of all that was found; the reason names the kinds, and repeats nothing."""
        text = completion.text
        low = BEFORE if completion.offset else 0
        found = self._found(text, low, len(text) - (0 if completion.ends else AFTER))
        if found:
            hits = [hit for some in found.values() for hit in some]
            return Verdict.failed(f"it holds personal data ({', '.join(found)})", merged(hits))
        for text in tool_texts(completion):
            told = self._found(text, 0, len(text))
            if told:
                return Verdict.failed(f"a tool call holds personal data ({', '.join(told)})")
        return Verdict.passed()

    def _found(self, text: str, low: int, high: int) -> Mapping[Kind, Sequence[Hit]]:
        folded = fold(text)
        digits = len(_DIGIT.findall(folded.text))
        found = {
            kind: list(search.hits(folded, low, high))
            for kind, search in self._searches.items()
            if search.may_be_in(folded.text, digits)
        }
        return {kind: hits for kind, hits in found.items() if hits}


def _searches(regions: Sequence[str]) -> Mapping[Kind, _Search]:
    return {
        "email": _Search(emails, 72, mark="@"),
        "phone": _Search(Phones(regions), 44, 7),
        "card": _Search(cards, 64, 14),
        "iban": _Search(Ibans(), 72, 2),
        "ssn": _Search(security_numbers, 28, 9),
        "ip": _Search(addresses, 48, 5, mark=":"),
    }


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``pii``."""
    return [Pii]
