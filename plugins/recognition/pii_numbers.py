"""How ``pii`` finds what has a form or a checksum of its own: email and IP addresses, cards, IBANs, security numbers.

Each function yields parts of a folded text. Whether one counts depends on its own characters, and on at most ``BEFORE``
and ``AFTER`` characters of the original beside it: that makes a window of a stream enough.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import pairwise

from stdnum import luhn, numdb
from stdnum.iso7064 import mod_97_10
from stdnum.us import ssn

from postil.plugins.recognition.folding import Folded

Hit = tuple[int, int]
# What shows it, and all of it: an address is shown by the characters around its @.
Found = tuple[Hit, Hit]
BEFORE, AFTER = 20, 4
# What is the number of something else says so before it.
OF_A_THING = re.compile(
    r"\b(?:order|invoice|inv|ref|reference|case|part|item|model|serial|sku|ticket|batch|lot|docket|policy|claim|tracking"
    r"|parcel|shipment|account|acct|isbn|issn|imei|article|file|form|record|meter|booking|permit|patent|version|section)"
    r"(?:'s)?\W{0,2}(?:no|nr|num|number|id|code|is)?\W{0,3}\Z",
    re.IGNORECASE,
)

_LOCAL = re.compile(r"[\w.%+'-]{1,64}\Z")
_DOMAIN = re.compile(r"@(?:(?:[\w-]{1,30}\.){1,2}?|[\w-]{1,61}\.)[^\W\d_]{2}")
_DOMAIN_END = re.compile(r"[^\W\d_]*(?:\.[^\W_][\w-]*)*")
# logo@2x.png is a file, and git@host.example a machine's.
_FILE = re.compile(r"@\dx\.(?:png|jpe?g|gif|svg|webp|pdf)\b", re.IGNORECASE)
_MACHINES = frozenset({"git", "hg", "svn"})

_RUN = re.compile(r"\d+", re.ASCII)
_CARD_GAP = re.compile(r" {0,2}[.\-/_\u00b7*|:] {0,2}|[ \n]{1,3}")
# As people and forms group the digits of a card; in what is grouped otherwise, digits of several numbers meet.
_GROUPINGS = frozenset({
    (4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 6, 5), (4, 6, 4), (4, 4, 4, 3), (4, 4, 4, 2), (8, 8), (4, 12),
    (4, 4, 8), (4, 8, 4), (8, 4, 4), (6, 10), (12, 4), (6, 6, 4), (6, 4, 6), (5, 5, 5, 1), (5, 5, 6), (5, 5, 5),
    (4, 11), (2,) * 8, (1,) * 16, (1,) * 15,
})  # fmt: skip
_MOST_RUNS, _FEWEST_DIGITS, _MOST_DIGITS = 16, 14, 19
_BRANDS = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|3(?:0[0-5]|[689]\d)\d{13}|35(?:2[89]|[3-8]\d)\d{12}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?|62\d{14}(?:\d{3})?|(?:50[1-8]\d|5[6-8]\d\d|6[37]\d\d)\d{12}(?:\d{2,3})?"
)
_DECIMAL = re.compile(r"\d\.\Z")

_SSN = re.compile(r"(?<!\d)(?=(\d{3}([ .\-]{1,3})\d\d\2\d{4})(?!\d))", re.ASCII)
_NAMED_SSN = re.compile(r"\b(?:ssn|security)\W{0,2}(?:no|nr|num|number|is)?\W{0,3}\Z", re.IGNORECASE)
_NO_SSN_BEFORE = re.compile(r"(?:[^\W_]|[+$€£#/]|\w-|\d[.,])\Z")
_NO_SSN_AFTER = re.compile(r"[-./]?[^\W_]|[%€$£]")

_IBAN = re.compile(r"[a-z]{2}(?:[ .\-_/]{0,2}\d){2}", re.ASCII | re.IGNORECASE)
_IBAN_CHARACTER = re.compile(r"[ .\-_/:\n]{0,2}([a-z\d])", re.ASCII | re.IGNORECASE)
_FIELD = re.compile(r"(\d+)!([nac])")
_CLASSES = {"n": r"\d", "a": "[A-Z]", "c": r"[A-Z\d]"}

_IPV4 = re.compile(r"(?<!\w)(?=((?:\d{1,3}\.){3}\d{1,3})(?!\w))", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])(?=([\da-f:]{6,39})(?![\w:]))", re.ASCII | re.IGNORECASE)
_PEOPLES = tuple(map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10")))
_NO_IPV4_BEFORE = re.compile(
    r"(?:\d\.|\b(?:v|ver|vers|version|release|build|firmware|driver|section|sect|clause|chapter|rule|reg|regulation|para|paragraph|art"
    r"|article|oid|rev|revision|update|kernel)\.? ?|\u00a7 ?)\Z",
    re.IGNORECASE,
)


def runs_of_digits(text: str) -> list[Hit]:
    """Where the digits of a text stand together."""
    return [found.span() for found in _RUN.finditer(text)]


def runs_and_joints(text: str, gap: re.Pattern[str]) -> tuple[list[Hit], list[bool]]:
    """Where the digits of a text stand together, and for each place and the next, whether a gap alone parts them."""
    runs = runs_of_digits(text)
    return runs, [gap.fullmatch(text, one[1], other[0]) is not None for one, other in pairwise(runs)]


def digits_of(text: str) -> str:
    """The digits of a text, and nothing else."""
    return "".join(_RUN.findall(text))


def emails(text: Folded) -> Iterator[Found]:
    """One character before the @ and two of the top domain are enough to show it; the span takes what there is."""
    for domain in _DOMAIN.finditer(text.text):
        local = _LOCAL.search(text.text[max(0, domain.start() - 64) : domain.start()])
        if local is None or local[0].casefold() in _MACHINES:
            continue
        if _FILE.match(domain[0] + text.near(*domain.span(), 0, AFTER)[1]):
            continue
        rest = _DOMAIN_END.match(text.text, domain.end())
        assert rest is not None, "it matches the empty text, too"
        yield (domain.start() - 1, domain.end()), (domain.start() - len(local[0]), rest.end())


def cards(text: Folded) -> Iterator[Found]:
    """Digits of a brand's that pass their check: what stands beside them does not matter, if it is no digit."""
    runs, joined = runs_and_joints(text.text, _CARD_GAP)
    for first, (start, _) in enumerate(runs):
        sizes: tuple[int, ...] = ()
        count = 0
        for last in range(first, min(first + _MOST_RUNS, len(runs))):
            size, end = runs[last][1] - runs[last][0], runs[last][1]
            sizes, count = (*sizes, size), count + size
            if count > _MOST_DIGITS or (last > first and not joined[last - 1]):
                break
            whole = count >= _FEWEST_DIGITS and _is_card(text.text[start:end], sizes)
            if whole and not _DECIMAL.search(text.near(start, end, 2, 0)[0]):
                yield (start, end), (start, end)


def _is_card(written: str, sizes: tuple[int, ...]) -> bool:
    """Numbers below each other are a list, and no card that was broken at the end of a line."""
    if not (len(sizes) == 1 or sizes in _GROUPINGS) or written.count("\n") > 1:
        return False
    number = digits_of(written)
    return _BRANDS.fullmatch(number) is not None and luhn.is_valid(number)


def security_numbers(text: Folded) -> Iterator[Found]:
    """US social security numbers: in three groups, of ranges that are in use."""
    for found in _SSN.finditer(text.text):
        if ssn.is_valid("-".join(_RUN.findall(found[1]))):
            left, right = text.near(*found.span(1), BEFORE, AFTER)
            of_others = _NO_SSN_BEFORE.search(left) or OF_A_THING.search(left)
            if not _NO_SSN_AFTER.match(right) and (not of_others or _NAMED_SSN.search(left)):
                yield found.span(1), found.span(1)


class Ibans:
    """Finds IBANs by their country's length and form, and their check digits, whatever stands beside them."""

    def __init__(self) -> None:
        self._registry = numdb.get("iban")
        self._forms: dict[str, tuple[re.Pattern[str], int] | None] = {}

    def __call__(self, text: Folded) -> Iterator[Found]:
        """Begin at each place where a country and two digits stand."""
        at = 0
        while (found := _IBAN.search(text.text, at)) is not None:
            at = found.start() + 1
            end = self._end(text.text, found)
            if end is not None:
                yield (found.start(), end), (found.start(), end)

    def _end(self, text: str, found: re.Match[str]) -> int | None:
        """Where the IBAN ends that begins here; None if none does."""
        country = found[0][:2].upper()
        if country not in self._forms:
            self._forms[country] = self._form(country)
        form = self._forms[country]
        if form is None:
            return None
        pattern, size = form
        number, end = country + digits_of(found[0]), found.end()
        while len(number) < size:
            more = _IBAN_CHARACTER.match(text, end)
            if more is None:
                return None
            number, end = number + more[1].upper(), more.end()
        if text[end : end + 1].isdecimal() or not pattern.fullmatch(number):
            return None
        return end if mod_97_10.is_valid(number[4:] + number[:4]) else None

    def _form(self, country: str) -> tuple[re.Pattern[str], int] | None:
        """How the IBANs of a country are built, and how long they are; None if it has none."""
        parts = _FIELD.findall(str(self._registry.info(country)[0][1].get("bban", "")))
        if not parts:
            return None
        pattern = "".join(f"{_CLASSES[kind]}{{{size}}}" for size, kind in parts)
        return re.compile(rf"[A-Z]{{2}}\d\d{pattern}", re.ASCII), 4 + sum(int(size) for size, _ in parts)


def addresses(text: Folded) -> Iterator[Found]:
    """IP addresses of both versions that are somebody's."""
    for found in _IPV4.finditer(text.text):
        if _is_somebodys_v4(found[1]):
            left, right = text.near(*found.span(1), BEFORE, AFTER)
            if not (_NO_IPV4_BEFORE.search(left) or re.match(r"\.\d", right)):
                yield found.span(1), found.span(1)
    for found in _IPV6.finditer(text.text):
        if _is_somebodys_v6(found[1]):
            yield found.span(1), found.span(1)


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
