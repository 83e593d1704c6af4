from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postil.plugins import Completion, ConfigError
from postil.plugins.builtin.blocklist import Blocklist
from tests.plugins.windows import assert_promise, fails, found, judged


def blocklist(*phrases: str, **config: Any) -> Blocklist:
    made: Blocklist = Blocklist.from_mapping({"phrases": phrases, **config})
    return made


def matching(*patterns: str, **config: Any) -> Blocklist:
    made: Blocklist = Blocklist.from_mapping({"patterns": patterns, **config})
    return made


@pytest.mark.parametrize(
    ("phrase", "text", "span"),
    [
        ("guaranteed cure", "a guaranteed cure.", "guaranteed cure"),
        ("guaranteed cure", "A Guaranteed CURE", "Guaranteed CURE"),
        ("guaranteed cure", "guaranteed\ncure", "guaranteed\ncure"),
        ("guaranteed cure", "guaranteed \n cure", "guaranteed \n cure"),
        ("guaranteed cure", "guaranteed\u00a0cure", "guaranteed\u00a0cure"),
        ("guaranteed  cure", "guaranteed cure", "guaranteed cure"),
        ("cure", "**cure**", "cure"),
        ("cure", "_cure_", "cure"),
        ("cure", "c\u200bu\u00adre", "c\u200bu\u00adre"),
        ("cure", "\uff43\uff55\uff52\uff45", "\uff43\uff55\uff52\uff45"),
        ("Straße", "STRASSE", "STRASSE"),
        ("café", "cafe\u0301", "cafe\u0301"),
        ("cafe\u0301", "café", "café"),
        ("finance", "\ufb01nance", "\ufb01nance"),
        ("毒品", "他买毒品吗", "毒品"),
        ("C++", "in C++, say", "C++"),
        ("$100", "only $100!", "$100"),
        ("cat", "cat\u200bx", "cat"),
    ],
)
def test_a_phrase_is_found_however_it_is_written(phrase: str, text: str, span: str) -> None:
    assert found(blocklist(phrase), text) == [span]


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("cure", "cured"),
        ("cure", "obscure"),
        ("cure", "cure2"),
        ("cafe", "café"),
        ("cafe", "cafe\u0301"),
        ("guaranteed cure", "guaranteed, cure"),
        ("guaranteed cure", "guaranteed" + 9 * " " + "cure"),
        ("cure", "c" + 5 * "\u200b" + "ure"),
        ("100", "$1000"),
        ("cure", ""),
    ],
)
def test_what_only_looks_like_a_phrase_passes(phrase: str, text: str) -> None:
    assert not fails(blocklist(phrase), text)


def test_every_place_of_every_phrase_has_a_span() -> None:
    text = "new york city, New York"
    assert found(blocklist("new york", "york city"), text) == ["new york city", "New York"]


@pytest.mark.parametrize(("text", "ok"), [("obscured", False), ("cafe\u0301", True), ("decafe", False)])
def test_parts_of_words_count_where_the_policy_says_so(text: str, ok: bool) -> None:
    assert fails(blocklist("cure", "cafe", whole_words=False), text) is not ok


def test_case_counts_where_the_policy_says_so() -> None:
    assert not fails(blocklist("WHO", case_sensitive=True), "who said so")
    assert fails(blocklist("WHO", case_sensitive=True), "the WHO said so")
    assert not fails(matching("WHO", case_sensitive=True), "who")
    assert fails(matching("WHO"), "who")


@pytest.mark.parametrize(
    ("pattern", "text", "spans"),
    [
        (r"\bsk-[a-z0-9]{4,8}\b", "key sk-abc123.", ["sk-abc123"]),
        (r"aba", "ababa", ["ababa"]),
        (r"^no\b", "no. no", ["no"]),
        (r"no$", "no. no", ["no"]),
        (r"(?m)^no$", "a\nno\nb", ["no"]),
        (r"\pL{3}é", "abcé", ["abcé"]),
        (r"b", "a\ud800b", ["b"]),
    ],
)
def test_a_pattern_is_found_with_its_neighbours_regarded(pattern: str, text: str, spans: list[str]) -> None:
    assert found(matching(pattern), text) == spans


def test_a_match_of_an_unbounded_pattern_counts_up_to_its_window() -> None:
    validator = matching(r"a.*b", window=5)
    assert validator.scope.window == 7
    assert found(validator, "xa..by") == ["a..b"]
    assert not fails(validator, "xa....by")
    assert found(validator, "a" * 9 + "b") == ["aaaab"]


@pytest.mark.parametrize(
    ("config", "characters"),
    [
        ({"phrases": ["cure"]}, 4 + 4 + 2),
        ({"phrases": ["a", "guaranteed cure"]}, 15 + 4 + 2),
        ({"patterns": [r"\bsk-[a-z]{4,8}"]}, 11 + 2),
        ({"patterns": [r"\p{Greek}{3}\z"]}, 3 + 2),
        ({"patterns": ["a+"], "window": 30}, 30 + 2),
    ],
)
def test_the_window_is_the_longest_match_and_a_character_on_either_side(
    config: dict[str, Any], characters: int
) -> None:
    assert Blocklist.from_mapping(config).scope.window == characters


def test_the_reason_does_not_repeat_what_may_not_leave() -> None:
    assert judged(blocklist("poison"), Completion("poison")).reason == "it holds what the blocklist names"


@pytest.mark.parametrize("arguments", ['{"q": "po\\u0069son"}', '{"deep": [{"poison": 1}]}', "not JSON: poison"])
def test_tool_calls_are_read_too(arguments: str) -> None:
    calls = [{"type": "function", "function": {"name": "search", "arguments": arguments}}]
    verdict = judged(blocklist("poison"), Completion("", tool_calls=calls))
    assert verdict.reason == "a tool call holds what the blocklist names"
    assert judged(blocklist("gift"), Completion("", tool_calls=calls)).ok


def test_no_pattern_can_hang_the_gateway() -> None:
    validator = matching(r"(a+)+$", r"(a|aa)+b", r"(.*)*c", window=200)
    started = time.process_time()
    assert not fails(validator, "a" * 20_000 + "!")
    assert time.process_time() - started < 2


def test_a_text_full_of_hits_is_judged_in_time() -> None:
    text = "1" * 20_000
    started = time.process_time()
    assert found(matching(r"\d{1,20}"), text) == [text]
    assert time.process_time() - started < 2


PATTERNS = [r"\bab\b", "a{2,3}", "^b", "a$", r"b\B", "(?m)^a", r"[^a]b?", "a.*b", "(?:ab)+", r"\b.+\b"]
LETTERS = st.text(alphabet="ab \n", max_size=24)


@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2), LETTERS, st.lists(st.integers(0, 30)))
@example(["a.*b"], "bbbab", [])
@settings(deadline=None, max_examples=400)
def test_patterns_keep_the_promise_of_a_window(patterns: list[str], text: str, cuts: list[int]) -> None:
    assert_promise(matching(*patterns, window=4), text, cuts)


ODD = st.text(alphabet="abßﬁf iİ\u0301\u200b\ufe0f \n_1毒´", max_size=14)


@given(st.lists(ODD, min_size=1, max_size=2), ODD, ODD, st.booleans(), st.lists(st.integers(0, 40)))
@example(["ab"], "a", "b", True, [])
@settings(deadline=None, max_examples=400)
def test_phrases_keep_the_promise_of_a_window(
    phrases: list[str], before: str, after: str, words: bool, cuts: list[int]
) -> None:
    try:
        validator = blocklist(*filter(None, phrases), whole_words=words)
    except ConfigError:
        return
    for text in (before + after, before + phrases[0] + after, before + phrases[-1].upper()):
        assert_promise(validator, text, cuts)


@given(ODD, ODD, ODD)
@example("1   \u200b\u200b\ufe0f1", "", "")
@settings(deadline=None, max_examples=200)
def test_no_phrase_is_missed_that_stands_between_spaces(phrase: str, before: str, after: str) -> None:
    try:
        validator = blocklist(phrase) if phrase else None
    except ConfigError:
        return
    assert validator is None or fails(validator, f"{before}. {phrase} .{after}")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "blocklist: it has neither phrases nor patterns; give one of them"),
        ({"phrases": [""]}, "blocklist: phrases.0: string should have at least 1 character"),
        ({"phrases": "cure"}, "blocklist: phrases: input should be a valid tuple"),
        ({"phrases": [" \u200b"]}, "blocklist: the phrase ' \\u200b' has no character that can be seen; leave it out"),
        ({"words": ["cure"]}, "blocklist: there is no option words; did you mean whole_words?"),
        ({"patterns": ["(a"]}, "blocklist: patterns.0 is no pattern of RE2 (missing ): (a); mend it"),
        ({"patterns": [r"(a)\1"]}, r"blocklist: patterns.0 is no pattern of RE2 (invalid escape sequence: \1); mend"),
        ({"patterns": ["a", "b*"]}, "blocklist: patterns.1 matches the empty text, so every answer; make it ask for"),
        ({"patterns": ["a+"]}, "blocklist: patterns.0 can match a text of any length; say `window`, the most"),
        ({"patterns": ["[[:alpha:]]"]}, "blocklist: patterns.0 can match a text of any length; say `window`, the most"),
        ({"patterns": ["a{,9}b"]}, "blocklist: patterns.0 can match a text of any length; say `window`, the most"),
        ({"patterns": ["a+"], "window": 0}, "blocklist: window: input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Blocklist.from_mapping(config)
    assert str(caught.value).startswith(sentence)
