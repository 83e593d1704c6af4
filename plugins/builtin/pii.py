"""``pii``: email addresses, phone numbers, payment cards, IBANs, US social security numbers and IP addresses.

Found by how they are written and by their own rules: the check digits of cards (Luhn) and IBANs (mod 97), the numbering
plans of phones, the ranges of addresses. It does not find names, postal addresses, dates of birth, or what is spelt out
("jane at example dot org"); digits are those of ASCII. National phone numbers are found of the ``regions`` alone, and
only where they are grouped: ten digits in a row may be an order number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import phonenumbers
from phonenumbers import Leniency, PhoneNumberMatcher, ValidationResult
from pydantic import Field, field_validator
from stdnum import iban, luhn
from stdnum.us import ssn

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import inner, merged, tool_texts
from postil.plugins.types import Completion, RequestContext, Verdict, window

Kind = Literal["email", "phone", "card", "iban", "ssn", "ip"]
Hit = tuple[int, int]
# Yields what lies between ``low`` and ``high``; whether it is one may depend on the character on either side, no other.
Find = Callable[[str, int, int], Iterator[Hit]]

_GAP = r"[ \-\u00a0\u202f\u2010\u2011]"
_BETWEEN = rf"(?:{_GAP}|\.)"
_LOCAL = re.compile(r"[\w.%+'-]{1,64}\Z")
_DOMAIN = re.compile(r"@(?:(?:[\w-]{1,30}\.){1,2}|[\w-]{1,61}\.)[^\W\d_]{2}")
_DOMAIN_END = re.compile(r"[^\W\d_]*(?:\.[^\W_][\w-]*)*")
# Lookaheads, so that what begins within another one is found as well.
_CARDS = tuple(
    re.compile(rf"(?<![\w.,-])(?=({digits})(?![\w-]))", re.ASCII)
    for digits in (
        r"\d{14,19}",
        rf"\d{{4}}({_GAP})\d{{4}}\2\d{{4}}\2\d{{4}}",
        rf"\d{{4}}({_GAP})\d{{4}}\2\d{{4}}\2\d{{4}}\2\d{{3}}",
        rf"\d{{4}}({_GAP})\d{{6}}\2\d{{4,5}}",
    )
)
_BRANDS = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|62\d{14,17}|(?:50|5[6-8]|6[37])\d{12,17}"
)
_SSN = re.compile(r"(?<![\w-])(?=(\d{3}([-\u2010\u2011 ])\d\d\2\d{4})(?![\w-]))", re.ASCII)
_IBAN = re.compile(r"(?<!\w)[a-z]{2}\d\d(?:[ \u00a0]?[a-z\d]){11,30}", re.ASCII | re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])(?=((?:\d{1,3}\.){3}\d{1,3})(?!\w))", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])(?=([\da-f:]{6,39})(?![\w:]))", re.ASCII | re.IGNORECASE)
_PEOPLES = tuple(map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10")))
_DIGIT = re.compile(r"\d", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_PHONE_GAP = re.compile(rf"\)?{_BETWEEN}?\(?")
_LONGEST_PHONE, _FEWEST_IN_A_PHONE = 24, 7
# As many groups as anybody writes: +33 (0) 1 23 45 67 89.
_MOST_GROUPS = 7
# By country code: where the groups of a number may have any length, many more of them have to be tried.
_REGION_COSTS = {1: 20, 43: 300, 49: 300}
# What a number is part of, or an amount of, if it stands beside it.
_NO_PHONE_BEFORE = re.compile(r"[\w+$€£#.,/\-]")
_NO_PHONE_AFTER = re.compile(r"[\w%€$£/\-]")
_NORTH_AMERICAN = re.compile(
    rf"(?:1{_BETWEEN})?(?:\([2-9]\d\d\) ?|[2-9]\d\d{_BETWEEN})\d{{3}}{_BETWEEN}\d{{4}}", re.ASCII
)

_DATE = re.compile(rf"\b(?:\d\d?{_BETWEEN}\d\d?{_BETWEEN}(?:19|20)\d\d|(?:19|20)\d\d{_BETWEEN}\d\d{_BETWEEN}\d\d)\b")


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

    find: Find
    longest: int
    digits: int = 0
    mark: str = ""

    def may_be_in(self, text: str, digits: int) -> bool:
        """Whether it is worth looking in a text with so many digits."""
        return 0 < self.digits <= digits or (self.mark != "" and self.mark in text)


class Pii(Validator):
    """Fails a text that holds personal data of one of the kinds, and says where."""

    name = "pii"
    Config = PiiConfig

    def __init__(self, config: PiiConfig) -> None:
        super().__init__(config)
        known = _searches(config.regions)
        self._searches = {kind: known[kind] for kind in dict.fromkeys(config.kinds)}
        self.scope = window(max(search.longest for search in self._searches.values()) + 2)
        self.cost = Cost(
            ascii=1.5, other=1.5, digit=30 + (_phone_cost(config.regions) if "phone" in config.kinds else 0)
        )

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with the spans of all that was found; the reason names the kinds, and repeats nothing."""
        found = self._found(completion.text, *inner(completion))
        if found:
            hits = [hit for some in found.values() for hit in some]
            return Verdict.failed(f"it holds personal data ({', '.join(found)})", merged(hits))
        for text in tool_texts(completion):
            told = self._found(text, 0, len(text))
            if told:
                return Verdict.failed(f"a tool call holds personal data ({', '.join(told)})")
        return Verdict.passed()

    def _found(self, text: str, low: int, high: int) -> Mapping[Kind, Sequence[Hit]]:
        digits = len(_DIGIT.findall(text))
        found = {
            kind: list(search.find(text, low, high))
            for kind, search in self._searches.items()
            if search.may_be_in(text, digits)
        }
        return {kind: hits for kind, hits in found.items() if hits}


def _searches(regions: Sequence[str]) -> Mapping[Kind, _Search]:
    return {
        "email": _Search(_emails, 66, mark="@"),
        "phone": _Search(_Phones(regions), _LONGEST_PHONE, _FEWEST_IN_A_PHONE),
        "card": _Search(_cards, 23, 14),
        "iban": _Search(_ibans, 64, 2),
        "ssn": _Search(_ssns, 11, 9),
        "ip": _Search(_addresses, 39, 5, mark=":"),
    }


def _emails(text: str, low: int, high: int) -> Iterator[Hit]:
    """One character before the @ and two of the top domain are enough to show it; the span takes what there is."""
    for domain in _DOMAIN.finditer(text, low, high):
        local = _LOCAL.search(text[max(low, domain.start() - 64) : domain.start()])
        if local is not None:
            rest = _DOMAIN_END.match(text, domain.end(), high)
            assert rest is not None, "it matches the empty text, too"
            yield domain.start() - len(local[0]), rest.end()


def _cards(text: str, low: int, high: int) -> Iterator[Hit]:
    for pattern in _CARDS:
        for found in pattern.finditer(text):
            number = "".join(_DIGITS.findall(found[1]))
            if low <= found.start(1) and found.end(1) <= high and _BRANDS.fullmatch(number) and luhn.is_valid(number):
                yield found.span(1)


def _ssns(text: str, low: int, high: int) -> Iterator[Hit]:
    for found in _SSN.finditer(text):
        number = "-".join(_DIGITS.findall(found[1]))
        if low <= found.start(1) and found.end(1) <= high and ssn.is_valid(number):
            yield found.span(1)


def _ibans(text: str, low: int, high: int) -> Iterator[Hit]:
    """Its country says how long one is: of the places where it could end, one fits."""
    at = low
    while (found := _IBAN.search(text, at, high)) is not None:
        at = found.start() + 1
        for end in range(found.start() + 15, found.end() + 1):
            alone = end == len(text) or not (text[end].isalnum() or text[end] == "_")
            if alone and iban.is_valid(re.sub(r"\s", "", text[found.start() : end])):
                yield found.start(), end


def _addresses(text: str, low: int, high: int) -> Iterator[Hit]:
    for pattern, meant in ((_IPV4, _is_somebodys_v4), (_IPV6, _is_somebodys_v6)):
        for found in pattern.finditer(text):
            if low <= found.start(1) and found.end(1) <= high and meant(found[1]):
                yield found.span(1)


def _is_somebodys_v4(text: str) -> bool:
    """Four single digits are a version or a section, and nobody is at a mask or on this machine."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return len(text) > len("1.2.3.4") and not (address.is_loopback or text.startswith(("0.", "255.")))


def _is_somebodys_v6(text: str) -> bool:
    """Only the ranges in use: ``add::bee`` is more often a program's than a machine's name."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return any(address in network for network in _PEOPLES)


class _Phones:
    """International numbers, and national ones of some regions: grouped as people there do."""

    def __init__(self, regions: Sequence[str]) -> None:
        self._regions = tuple(regions)

    def __call__(self, text: str, low: int, high: int) -> Iterator[Hit]:
        """Try each run of digits as a number's first, with those after it that are near enough."""
        runs = [found.span() for found in _DIGITS.finditer(text)]
        together = [_PHONE_GAP.fullmatch(text, one[1], other[0]) is not None for one, other in pairwise(runs)]
        for first in range(len(runs)):
            for last in range(first, min(first + _MOST_GROUPS, len(runs))):
                start, end = _opened(text, runs[first][0], runs[last][1]), runs[last][1]
                if end - start > _LONGEST_PHONE or not all(together[first:last]):
                    break
                seen = low <= start and end <= high and _stands_alone(text, start, end)
                if seen and self._is_number(text[start:end]):
                    yield start, end

    def _is_number(self, text: str) -> bool:
        digits = sum(len(run) for run in _DIGITS.findall(text))
        if not _FEWEST_IN_A_PHONE <= digits <= 15 or text.isdigit():
            return False
        if "+" in text:
            return _is_international(text, digits)
        return any(_is_national(text, region) for region in self._regions)


def _phone_cost(regions: Sequence[str]) -> float:
    """Microseconds for each digit, where every one begins what may be a number."""
    return sum(_REGION_COSTS.get(phonenumbers.country_code_for_region(region), 180) for region in regions)


def _opened(text: str, start: int, end: int) -> int:
    """Where a number begins whose first digit is at ``start``: at its plus, and at a bracket that it closes."""
    for _ in range(2):
        before = text[start - 1 : start]
        if before == "+" or (before == "(" and ")" in text[start:end]):
            start -= 1
    return start


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not (_NO_PHONE_BEFORE.match(before) or _NO_PHONE_AFTER.match(after))


def _is_international(text: str, digits: int) -> bool:
    number = _parsed(text, None)
    if number is None:
        return False
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return phonenumbers.is_valid_number(number) or (digits >= 10 and possible)


def _is_national(text: str, region: str) -> bool:
    if _DATE.search(text):
        return False
    if phonenumbers.country_code_for_region(region) == 1:
        if not _NORTH_AMERICAN.fullmatch(text):
            return False
        if not text.replace(" ", "").isdigit():
            return True  # 555-123-4567 belongs to nobody, but nothing else is written like that.
    number = _parsed(text, region)
    if number is None or not phonenumbers.is_valid_number(number):
        return False
    found = next(iter(PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING)), None)
    return found is not None and found.raw_string == text


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``pii``."""
    return [Pii]
