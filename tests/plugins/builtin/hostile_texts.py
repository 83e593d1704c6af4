"""Texts that were made to cost a check time: what repeats, what nearly matches, what grows when it is normalised."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

UNITS: Mapping[str, str] = {
    "a ligature of 18 characters": "\ufdfa",
    "digits": "1",
    "single digits": "1 ",
    "pairs of digits": "12 34 56 78 ",
    "phone numbers": "555 123 4567 ",
    "dotted digits": "1.",
    "cards": "4111-1111-1111-111",
    "security numbers": "123-45-6789 ",
    "account numbers": "de12 ",
    "addresses": "a@b.cc",
    "signs": "@",
    "hexadecimal": "a:",
    "separators": "-",
    "spaces": " ",
    "lines": "\n",
    "quotes": '"',
    "escaped quotes": '\\"',
    "brackets": "[",
    "nested objects": '{"a":',
    "letters": "a",
    "words": "a x ",
    "accents": "e\u0301",
    "marks alone": "\u0301",
    "joiners": "\u200d",
    "joined letters": "a\u200d",
    "direction": "\u202e",
    "hebrew": "\u05d0",
    "families": "\U0001f469\u200d",
    "flags": "\U0001f3f4\U000e0067",
    "half a pair": "\ud800",
    "orders": "ignore all a a ",
    "beginnings of orders": "ignore ",
    "base64": "QUJD",
    "control tokens": "<|",
    "headings": "##  ",
    "dangers": "chest pain or ",
    "denials": "no no ",
    "dangers told in short sentences": "suicide. ",
    "dangers without a space": "suicide.",
    "dangers that are a joke": "suicide seizure lol ",
    "two letters": "aa ",
    "one sign after another": "i:",
    "several spellings at once": "i 1gn0re i g 1a :i i g i &#65;[:::i g i i ",
    "words that are about much": "i no he will ",
    "beginnings of dangers": "chest a a a ",
    "what is blocked": "poison",
    "nearly blocked": "poiso n",
}
# What has a text read in every way there is, however it goes on.
SPELLINGS = "k3yb m0u1se x | y l  m  x  z x y z w t &#65; \\u0041 %41%41%41%41 "
TURNED = f"{SPELLINGS}\u1d00\u0299\u1d04\u1d05 \u0250\u0254\u01dd\u025f "
ENDS = ("", "!", "b", "@", "1")

nasty = st.builds(
    lambda parts, times, end: "".join(parts) * times + end,
    st.lists(st.one_of(st.sampled_from(sorted(UNITS.values())), st.text(max_size=3)), min_size=1, max_size=4),
    st.sampled_from((50, 200)),
    st.sampled_from(ENDS),
)


def repeated(unit: str, characters: int) -> str:
    """So many characters of a text that repeats."""
    return (unit * (characters // len(unit) + 1))[:characters]
