"""How ``pii`` finds phone numbers: international ones, and national ones of some regions.

What is a number of a region, and how it is grouped, is read from the metadata of ``phonenumbers`` once, at set-up. Its
own matcher takes some hundred microseconds for each place where a number could begin; this takes a few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

import phonenumbers
from phonenumbers import PhoneMetadata, ValidationResult

from postil.plugins.recognition.folding import Folded
from postil.plugins.recognition.pii_numbers import (
    AFTER,
    BEFORE,
    OF_A_THING,
    Found,
    digits_of,
    runs_and_joints,
    runs_of_digits,
)

_GAP = re.compile(r"\)? ?[.\-/]? ?\(?")
_BETWEEN = r" ?[ .\-/] ?"
_LONGEST, _FEWEST, _MOST = 30, 7, 15
# As many groups as anybody writes: +33 (0) 1 23 45 67 89.
_MOST_GROUPS = 7
# Who says that a number is a phone's.
_NAMED = re.compile(
    r"(?:\b(?:tel|telefon|telephone|t[eé]l[eé]phone|phone|fon|mobile?|mob|cell|handy|fax|call|ring|dial|sms|text|hotline"
    r"|whatsapp|reach (?:me|us|him|her|them)|contact)(?:s|ed)?\b\W{0,3}(?:no|nr|num|number|me|us|him|her|at|on|is|unter"
    r")?\W{0,3}(?:at|on|is)?\W{0,2}|[\u260e\u2706\U0001f4de\U0001f4f1\u2121]\W{0,2})\Z",
    re.IGNORECASE,
)
# What a number is part of, or an amount of, if it stands beside it.
_NO_BEFORE = re.compile(r"(?:[^\W_]|[+$€£#]|[^\W_]-|\d[,./]|[$€£] )\Z")
_NO_AFTER = re.compile(r"(?!e?xt?\W?\d)[^\W_]|[-/.,][^\W_]| ?[%€$£]| ?(?:EUR|USD|GBP|CHF)")
_NO_PLUS_BEFORE = re.compile(r"[\d+]\Z")
_NO_PLUS_AFTER = re.compile(r"(?:[.,/-])?\d| ?[%€$£]")
_NORTH_AMERICAN = re.compile(
    rf"(?:1{_BETWEEN})?(?:\([2-9]\d\d\) ?[.\-/]? ?|[2-9]\d\d{_BETWEEN})\d{{3}}{_BETWEEN}\d{{4}}", re.ASCII
)
_LOCAL_AMERICAN = re.compile(r"[2-9]\d\d[-. ]\d{4}", re.ASCII)
_DATE = re.compile(rf"\b(?:\d\d?{_BETWEEN}\d\d?{_BETWEEN}(?:19|20)\d\d|(?:19|20)\d\d{_BETWEEN}\d\d{_BETWEEN}\d\d)\b")
# Kept free for plays and examples, so no region's plan has them.
_PLAYS = {"GB": r"7700900\d{3}|1632960\d{3}|808157\d{4}|9098790\d{3}|306999\d{4}"}
# How numbers are grouped where the first digits say no more than that they are of a region.
_USUAL = frozenset({(3, 3, 3), (3, 2, 2, 2), (2, 3, 2, 2), (2, 2, 2, 2), (2, 4, 4), (2, 5, 4), (4, 4), (3, 3, 4)})
_TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan", "pager",
)  # fmt: skip


class Phones:
    """Finds numbers that begin with a plus or with the digits for abroad, and those of some regions."""

    def __init__(self, regions: Sequence[str]) -> None:
        self._plans = [_Plan(region) for region in regions if phonenumbers.country_code_for_region(region) != 1]
        self._american = [region for region in regions if phonenumbers.country_code_for_region(region) == 1]

    def __call__(self, text: Folded) -> Iterator[Found]:
        """Try each run of digits as a number's first, with those after it that are near enough; the longest counts."""
        runs, joined = runs_and_joints(text.text, _GAP)
        for first in range(len(runs)):
            most = min(first + _MOST_GROUPS, len(runs))
            last = next((at for at in range(first, most - 1) if not joined[at]), most - 1)
            for end in range(last, first - 1, -1):
                start, stop = _opened(text.text, runs[first][0], runs[end][1]), runs[end][1]
                if stop - start <= _LONGEST and self._is_number(text, start, stop):
                    yield (start, stop), (start, stop)
                    break

    def _is_number(self, text: Folded, start: int, end: int) -> bool:
        written = text.text[start:end]
        digits = digits_of(written)
        if not _FEWEST <= len(digits) <= _MOST:
            return False
        if "+" in written:
            return _is_international(written, digits) and _stands(text, start, end)
        if digits.startswith(("00", "011")) and len(digits) >= 11:
            abroad = "+" + digits.removeprefix("011" if digits.startswith("011") else "00")
            left, right = text.near(start, end, BEFORE, AFTER)
            alone = not (_NO_BEFORE.search(left) or OF_A_THING.search(left) or _NO_AFTER.match(right))
            if alone and not written.isdigit() and _is_valid(abroad):
                return True
        return self._is_national(text, written, digits, start, end)

    def _is_national(self, text: Folded, written: str, digits: str, start: int, end: int) -> bool:
        """Whether it is a number of one of the regions, and nothing beside it says that it is something else."""
        american = bool(self._american) and _could_be_american(written, digits)
        plans = [plan for plan in self._plans if plan.valid(digits)]
        if not (american or plans) or _DATE.search(written):
            return False
        left, right = text.near(start, end, BEFORE, AFTER)
        if _NO_AFTER.match(right):
            return False
        named = _NAMED.search(left) is not None
        if not named and (_NO_BEFORE.search(left) or OF_A_THING.search(left)):
            return False
        if american and (named or self._is_american(written, digits)):
            return True
        return any(named or plan.groups(written, digits) for plan in plans)

    def _is_american(self, written: str, digits: str) -> bool:
        """555-123-4567 belongs to nobody, but nothing else is written so; with spaces, it has to be somebody's."""
        if _NORTH_AMERICAN.fullmatch(written) is None:
            return False
        return not written.replace(" ", "").isdigit() or _is_valid(f"+1{digits[-10:]}")


class _Plan:
    """The numbers of one region: which there are, and where they are parted."""

    def __init__(self, region: str) -> None:
        found = PhoneMetadata.metadata_for_region(region, None)
        assert found is not None, "the configuration refuses regions that there are not"
        self._prefix = found.national_prefix or ""
        kinds = [getattr(one, name) for one in _sharing(region, found) for name in _TYPES]
        patterns = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
        patterns += [_PLAYS[region]] if region in _PLAYS else []
        self._valid = re.compile(f"{self._prefix}(?:{'|'.join(patterns)})", re.ASCII)
        self._formats = [
            (
                re.compile(
                    f"(?={each.leading_digits_pattern[-1] if each.leading_digits_pattern else ''}){each.pattern}\\Z"
                )
            )
            for each in found.number_format
        ]

    def valid(self, digits: str) -> bool:
        """Whether there is such a number, written with its national prefix."""
        return len(digits) >= _FEWEST and self._valid.fullmatch(digits) is not None

    def groups(self, written: str, digits: str) -> bool:
        """Whether it is parted where people there part it: after the area, or at places of its usual form."""
        number = digits.removeprefix(self._prefix)
        sizes = [end - start for start, end in runs_of_digits(written)]
        cuts = set(list(accumulate(sizes))[:-1])
        if not cuts or min(sizes[1:]) < 2:
            return False
        prefix = len(self._prefix)
        form = next((found for each in self._formats if (found := each.match(number)) is not None), None)
        usual = [form.end(at) + prefix for at in range(1, form.re.groups)] if form is not None else []
        if self._prefix:
            return bool(usual) and usual[0] in cuts
        return cuts <= set(usual) or tuple(sizes) in _USUAL


def _sharing(region: str, found: PhoneMetadata) -> Sequence[PhoneMetadata]:
    """A region, and the small ones that are dialled as a part of it: Jersey in Great Britain."""
    shared = phonenumbers.region_codes_for_country_code(found.country_code or 0)
    others = [PhoneMetadata.metadata_for_region(one, None) for one in shared if one != region]
    return [found, *(one for one in others if one is not None)] if shared[:1] == (region,) else [found]


def _could_be_american(written: str, digits: str) -> bool:
    if len(digits) == 7:
        return _LOCAL_AMERICAN.fullmatch(written) is not None
    return len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")


def _opened(text: str, start: int, end: int) -> int:
    """Where a number begins whose first digit is at ``start``: at its plus, and at a bracket that it closes."""
    for _ in range(2):
        before = text[start - 1 : start]
        if before == "+" or (before == "(" and ")" in text[start:end]):
            start -= 1
    return start


def _stands(text: Folded, start: int, end: int) -> bool:
    """Whether what begins with a plus is no part of a sum."""
    left, right = text.near(start, end, 1, AFTER)
    return not (_NO_PLUS_BEFORE.search(left) or _NO_PLUS_AFTER.match(right))


def _is_international(written: str, digits: str) -> bool:
    number = _parsed(written)
    if number is None:
        return False
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return (len(digits) >= 10 and possible) or phonenumbers.is_valid_number(number)


def _is_valid(number: str) -> bool:
    parsed = _parsed(number)
    return parsed is not None and phonenumbers.is_valid_number(parsed)


def _parsed(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
