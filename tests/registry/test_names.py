from __future__ import annotations

import string
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins import ReleaseRef
from postil.registry.errors import NameInvalidError
from postil.registry.names import RESERVED, AdapterName, parse_adapter, parse_domain, parse_release

EDGE = string.ascii_lowercase + string.digits
PARTS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?", fullmatch=True).filter(lambda part: part not in RESERVED)
JUNK = [
    "", "/", "@", "healthcare", "healthcare/", "/triage", "health care/triage", "Healthcare/triage",
    "healthcare/triage/more", "healthcare/-triage", "healthcare/triage-", "_x/triage", "../triage", "healthcare/..",
    "healthcare/triage\n", " healthcare/triage", "gesundheit/prüfung", "a/" + "b" * 65, "healthcare/triage@", "a//b",
    "healthcare\\triage", "healthcare/triage\0",
]  # fmt: skip


@given(PARTS, PARTS, st.integers(1, 999_999_999))
@settings(deadline=None, max_examples=100)
def test_what_is_written_is_read_back(domain: str, adapter: str, number: int) -> None:
    name = AdapterName(domain, adapter)
    assert parse_adapter(str(name)) == name
    assert parse_release(str(name.release(number))) == ReleaseRef(domain, adapter, number)
    assert name.release(number).name == str(name)
    assert parse_domain(domain) == domain


@given(st.text(max_size=30) | st.from_regex(r"[a-z0-9_/@-]{1,12}"))
@settings(deadline=None, max_examples=200)
def test_any_text_is_a_name_that_reads_back_or_is_refused(text: str) -> None:
    parsers: list[Callable[[str], object]] = [parse_adapter, parse_release, parse_domain]
    for parse in parsers:
        with suppress(NameInvalidError):
            assert str(parse(text)) == text


@pytest.mark.parametrize("junk", [*JUNK, "base/triage", "auto/triage", "healthcare/triage@1"])
def test_what_is_no_adapter_is_refused_with_an_example(junk: str) -> None:
    with pytest.raises(NameInvalidError) as caught:
        parse_adapter(junk)
    assert str(caught.value) == (
        f"{junk!r} is not an adapter name; write domain/adapter in lower-case letters, digits, - and _,"
        " such as healthcare/triage"
    )


@pytest.mark.parametrize(
    "junk",
    ["a/b", *(f"{text}@1" for text in JUNK), *(f"a/b@{n}" for n in ("0", "-1", "01", "x", "1" * 10, "٤"))],
)
def test_what_is_no_release_is_refused_with_an_example(junk: str) -> None:
    with pytest.raises(NameInvalidError) as caught:
        parse_release(junk)
    assert str(caught.value) == (f"{junk!r} is not a release; write domain/adapter@number, such as healthcare/triage@4")


@pytest.mark.parametrize("junk", ["", "Health", "a/b", "-a", "a-", "base", "auto", "a\n", "x" * 65])
def test_what_is_no_domain_is_refused_with_an_example(junk: str) -> None:
    with pytest.raises(NameInvalidError) as caught:
        parse_domain(junk)
    assert str(caught.value) == f"{junk!r} is not a domain name; write one such as healthcare"


@pytest.mark.parametrize("part", ["x" * 64, *EDGE[::9], "a-b_c", "0-0"])
def test_the_longest_and_the_shortest_names_are_taken(part: str) -> None:
    assert parse_adapter(f"{part}/{part}") == AdapterName(part, part)


def test_names_are_ordered_by_domain_first() -> None:
    names = [AdapterName("b", "a"), AdapterName("a", "z"), AdapterName("a", "b")]
    assert [str(name) for name in sorted(names)] == ["a/b", "a/z", "b/a"]
