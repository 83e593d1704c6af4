from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins import Completion, ConfigError
from postil.plugins.builtin.pii import Pii
from postil.plugins.recognition.folding import fold
from tests.plugins.windows import assert_promise, fails, found, judged


def pii(*kinds: str, **config: Any) -> Pii:
    made: Pii = Pii.from_mapping(({"kinds": kinds} if kinds else {}) | config)
    return made


ALL = pii(regions=["US", "DE", "GB", "FR"])


@pytest.mark.parametrize(
    ("kind", "text", "span"),
    [
        ("email", "write to jane.doe+news@mail.example.co.uk.", "jane.doe+news@mail.example.co.uk"),
        ("email", "<o'neil@example.org>", "o'neil@example.org"),
        ("email", "jörg@müller.example", "jörg@müller.example"),
        ("email", "mailto:a@b.io?x", "a@b.io"),
        ("email", "a" * 80 + "@example.org", "a" * 64 + "@example.org"),
        ("phone", "Call +49 30 901820 today", "+49 30 901820"),
        ("phone", "Call +15551234567.", "+15551234567"),
        ("phone", "tel:+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
        ("phone", "(202) 555-0143", "(202) 555-0143"),
        ("phone", "(555-123-4567)", "555-123-4567"),
        ("phone", "202.555.0143, please", "202.555.0143"),
        ("phone", "1-800-555-0199", "1-800-555-0199"),
        ("phone", "202 555 0143", "202 555 0143"),
        ("phone", "ring 020 7946 0958", "020 7946 0958"),
        ("phone", "Tel. 0171 1234567", "0171 1234567"),
        ("phone", "06 12 34 56 78", "06 12 34 56 78"),
        ("card", "my card 4111 1111 1111 1111 is", "4111 1111 1111 1111"),
        ("card", "4111-1111-1111-1111", "4111-1111-1111-1111"),
        ("card", "5555555555554444!", "5555555555554444"),
        ("card", "2223003122003222", "2223003122003222"),
        ("card", "3782 822463 10005", "3782 822463 10005"),
        ("card", "30569309025904", "30569309025904"),
        ("card", "6011111111111117", "6011111111111117"),
        ("card", "ref 1111 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("iban", "IBAN: DE89 3704 0044 0532 0130 00 and", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432.", "GB82WEST12345698765432"),
        ("iban", "nl91abna0417164300", "nl91abna0417164300"),
        ("iban", "NO93 8601 1117 947", "NO93 8601 1117 947"),
        ("ssn", "SSN 536-22-1234", "536-22-1234"),
        ("ssn", "536 22 1234", "536 22 1234"),
        ("ip", "from 192.168.178.20 at", "192.168.178.20"),
        ("ip", "84.17.46.9.", "84.17.46.9"),
        ("ip", "2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3::8a2e:370:7334"),
        ("ip", "fe80::1ff:fe23:4567:890a", "fe80::1ff:fe23:4567:890a"),
    ],
)
def test_personal_data_is_found(kind: str, text: str, span: str) -> None:
    validator = pii(kind, regions=["US", "DE", "GB", "FR"])
    assert found(validator, text) == [span]
    assert judged(validator, Completion(text)).reason == f"it holds personal data ({kind})"
    assert fails(ALL, text)


NARROW = "\u202f"


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Jane Doe,4111111111111111,12/28", ["4111111111111111"]),
        ("4111111111111111,5555555555554444", ["4111111111111111", "5555555555554444"]),
        ("4111.1111.1111.1111", ["4111.1111.1111.1111"]),
        ("4111\t1111\t1111\t1111", ["4111\t1111\t1111\t1111"]),
        ("4111\u20131111\u20131111\u20131111", ["4111\u20131111\u20131111\u20131111"]),
        ("4111  1111  1111  1111", ["4111  1111  1111  1111"]),
        ("+49151/4564567", ["+49151/4564567"]),
        ("Tel.+49 30 901820", ["+49 30 901820"]),
        ("my number,+14155552671,", ["+14155552671"]),
        ("jane@ex\u200bample.com", ["jane@ex\u200bample.com"]),
        ("IBANDE89370400440532013000", ["DE89370400440532013000"]),
        ("DE89-3704-0044-0532-0130-00", ["DE89-3704-0044-0532-0130-00"]),
        ("DE89 3704 0044 0532 0130 00".replace(" ", NARROW), ["DE89 3704 0044 0532 0130 00".replace(" ", NARROW)]),
        ("\uff14111111111111111", ["\uff14111111111111111"]),
    ],
)
def test_a_number_that_passes_its_check_is_found_whatever_stands_beside_it(text: str, spans: list[str]) -> None:
    assert found(ALL, text) == spans


def test_numbers_of_a_country_without_a_prefix_are_found_as_people_there_group_them() -> None:
    spain = pii("phone", regions=["ES"])
    assert found(spain, "612 34 56 78 or 612 345 678") == ["612 34 56 78", "612 345 678"]
    assert found(spain, "6 1234 5678, 61 23 45 6 78") == []


@pytest.mark.parametrize("unit", ["12 34 56 78 ", "+49 12 34 ", "03 12 45 67 "])
def test_nearly_phone_numbers_are_looked_at_in_a_twentieth_of_a_millisecond_each(unit: str) -> None:
    validator = pii(regions=["US", "DE", "FR", "GB", "IN", "BR", "JP", "IT"])
    text = unit * (4800 // len(unit))
    started = time.thread_time()
    judged(validator, Completion(text))
    assert time.thread_time() - started < 1.5


HARMLESS = [
    "logo@2x.png is an icon, git@host.example a machine",
    "The appointment is on 2024-03-12 at 14:30, room 12.",
    "12.03.2024, 12/03/2024, 03 12 2024 and 12 March 2024",
    "born 1984-11-02; admitted 02-11-2024 10:15:00; 10 02-11-2024; 2024-11-02 10 11",
    "The invoice of $1,234,567.89 is due; 1 234 567,89 € were paid.",
    "EUR 1.250.000,00 in 24 months at 3.75 %",
    "Your order 2025550143 was shipped, parcel 00340434161094042557.",
    "Order no. 4006381333931 (EAN), ISBN 978-3-16-148410-0",
    "Order 302-1234567-7654321 from 2024",
    "Invoice INV-2024-000123, customer K-4711-0815, case #202-555-0143",
    "IMEI 356938035643809",
    "Version 1.2.3.4 and Chrome 120.0.6099.109; see section 4.1.2.3",
    "999.10.20.30 is no address, and +999 12 345 678 no number",
    "the mask 255.255.255.0, localhost 127.0.0.1, 0.0.0.0",
    "std::vector<int>, add::bee, at 12:30:45 and ::1",
    "ratio 3:4:5, IDs 100 200 300 400, scores 12 34 56",
    "0.4111111111111111 and 3.1415926535897932 and 1e10",
    "4111 1111 1111 1112 does not check",
    "DE89 3704 0044 0532 0130 01 does not check",
    "123e4567-e89b-12d3-a456-426614174000",
    "SSN 000-12-3456, 666-12-3456 and 987-65-4321 cannot be",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "@clinic on the web, follow @clinic.example there, price @ 3.50, f(a@b), ICD-10 R07.4",
    "take 500 mg 3 times a day for 10-14 days; blood pressure 120/80",
    "call 112 or 911; the hotline is 116 117",
    "+3.5 % in 2023, +12 345 people, temperature +38.5",
    "1700000000000 ms, 16 digits 1234567890123456",
    '{"category": "symptoms"}',
    "",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_dates_prices_and_order_numbers_raise_no_alarm(text: str) -> None:
    assert found(ALL, text) == []
    assert not fails(ALL, text)


def test_all_kinds_in_one_text_are_named_and_each_has_its_span() -> None:
    text = "jane@example.org, 4111 1111 1111 1111, +49 30 901820"
    verdict = judged(pii(), Completion(text))
    assert verdict.reason == "it holds personal data (email, phone, card)"
    assert found(pii(), text) == ["jane@example.org", "4111 1111 1111 1111", "+49 30 901820"]


def test_only_the_configured_kinds_are_looked_for() -> None:
    assert not fails(pii("card"), "jane@example.org")
    assert not fails(pii("phone", regions=[]), "(202) 555-0143")
    assert fails(pii("phone", regions=[]), "+1 202 555 0143")


@pytest.mark.parametrize(
    ("kinds", "characters"), [([], 96), (["card"], 88), (["ssn"], 52), (["phone"], 68), (["ip", "card"], 88)]
)
def test_the_window_is_no_larger_than_its_kinds_need(kinds: list[str], characters: int) -> None:
    assert pii(*kinds).scope.window == characters


def test_tool_calls_are_read_too() -> None:
    calls = [{"function": {"name": "send", "arguments": '{"to": ["jane\\u0040example.org"]}'}}]
    assert judged(pii(), Completion("", tool_calls=calls)).reason == "a tool call holds personal data (email)"
    assert judged(pii("card"), Completion("", tool_calls=calls)).ok


@pytest.mark.parametrize("piece", ["12 34 56 78 90 ", "a@", "+", "1", "1.", "DE89", "::", "4111 ", "(202) "])
def test_a_long_text_is_judged_in_time(piece: str) -> None:
    text = piece * (10_000 // len(piece))
    started = time.process_time()
    judged(pii(), Completion(text))
    assert time.process_time() - started < 3


PIECES = [
    "jane@mail.example.org",
    "a@b.co",
    "@",
    ".",
    "+49 30 901820",
    "(202) 555-0143",
    "555-123-4567",
    "020 7946 0958",
    "4111 1111 1111 1111",
    "4111111111111111",
    "3782 822463 10005",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "536-22-1234",
    "192.168.178.20",
    "2001:db8::1",
    " ",
    "-",
    "1",
    "+",
    "(",
    ")",
    "x",
    "\n",
    "é",
    ":",
    " and ",
    "0",
]


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.lists(st.integers(0, 100), max_size=6))
@settings(deadline=None, max_examples=500)
def test_it_keeps_the_promise_of_a_window(pieces: list[str], cuts: list[int]) -> None:
    assert_promise(ALL, "".join(pieces), cuts)


@pytest.mark.parametrize("kind", ["email", "phone", "card", "iban", "ssn", "ip"])
@given(st.lists(st.sampled_from(PIECES), max_size=5), st.lists(st.integers(0, 100), max_size=6))
@settings(deadline=None, max_examples=100)
def test_each_kind_keeps_the_promise_alone(kind: str, pieces: list[str], cuts: list[int]) -> None:
    assert_promise(pii(kind, regions=["US", "GB"]), "".join(pieces), cuts)


@given(st.text(alphabet="0123456789 .-+()@:axDE", max_size=90), st.lists(st.integers(0, 100), max_size=6))
@settings(deadline=None, max_examples=300)
def test_it_keeps_the_promise_for_anything_that_looks_like_numbers(text: str, cuts: list[int]) -> None:
    assert_promise(ALL, text, cuts)


HIDDEN = st.sampled_from(["\u200b", "\u200b" * 3, "\u200b" * 4, "\u00ad", "\u0301", "\u0332" * 2, "\uff11", "\u2013"])


@given(
    st.lists(st.one_of(st.sampled_from(PIECES), HIDDEN), max_size=8),
    st.lists(st.tuples(st.integers(0, 99), HIDDEN), max_size=12),
    st.lists(st.integers(0, 100), max_size=6),
)
@settings(deadline=None, max_examples=500)
def test_it_keeps_the_promise_with_hidden_characters_anywhere(
    pieces: list[str], hidden: list[tuple[int, str]], cuts: list[int]
) -> None:
    text = "".join(pieces)
    for at, character in hidden:
        text = text[: at % (len(text) + 1)] + character + text[at % (len(text) + 1) :]
    assert_promise(ALL, text, cuts)


WORDS = [
    "order ",
    "tel ",
    "call ",
    "phone no. ",
    "case #",
    "ssn ",
    "v",
    "version ",
    "$",
    "0.",
    "12",
    "/",
    ",",
    "order no. 12 tel. ",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.sampled_from(WORDS), HIDDEN), max_size=8))
@settings(deadline=None, max_examples=500)
def test_it_keeps_the_promise_beside_words_that_say_what_a_number_is(pieces: list[str]) -> None:
    assert_promise(ALL, "".join(pieces))


@given(
    st.one_of(
        st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
        st.text(alphabet="0123456789 .-+()@:axDE\u0663", max_size=90),
    )
)
@settings(deadline=None, max_examples=500)
def test_nothing_is_passed_over_that_a_closer_look_would_find(text: str) -> None:
    looked = {kind: list(search.hits(fold(text), 0, len(text))) for kind, search in ALL._searches.items()}
    assert ALL._found(text, 0, len(text)) == {kind: hits for kind, hits in looked.items() if hits}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"kinds": []}, "pii: kinds: tuple should have at least 1 item after validation, not 0"),
        ({"kinds": ["name"]}, "pii: kinds.0: input should be 'email', 'phone', 'card', 'iban', 'ssn' or 'ip'"),
        ({"regions": ["de"]}, "pii: regions: 'de' is no region; give two capital letters, such as US or DE"),
        ({"kind": ["ip"]}, "pii: there is no option kind; did you mean kinds?"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Pii.from_mapping(config)
    assert str(caught.value) == sentence
