"""The law of windows: what is forbidden never leaves, what is allowed arrives as it is, however a text is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from postil.gateway.inference.guardrails.holdback import HoldbackBuffer, Rule
from postil.plugins import Completion, Outcome, Token, Verdict
from tests.fakes.windows import Case, Cases, Finder, Judges, at_once, ban, ban_edge, ban_silence, ban_word, rule_for
from tests.fakes.windows_law import check, held

CASES = 100_000
PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_the_law_holds_for_random_texts_spans_cuts_and_validators(part: int) -> None:
    cases, done = Cases(part), 0
    while done < CASES // PARTS:
        done += check(cases.draw())


@given(data=st.data(), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_law_holds_for_any_text_and_any_part_of_it(data: st.DataObject, text: str) -> None:
    at = data.draw(st.integers(0, max(0, len(text) - 1)))
    phrase = text[at : at + data.draw(st.integers(1, 6))] or "a"
    # What stands in the place of a redaction must not be forbidden itself: then no text could leave.
    assume("\0" not in phrase)
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8))))
    finder = ban("ban", [phrase], wider=data.draw(st.integers(0, 5)))
    assume("\0" not in phrase)  # What stands in its place has to pass: publish refuses any other policy.
    rule = rule_for(0, finder, data.draw(st.sampled_from(["stop", "redact", "replace"])), "\0")
    check(Case(text, (cuts,), (finder,), (rule,)))


def let_go(text: str, *finders: tuple[Finder, str, str], cut: bool = True) -> tuple[str, str | None]:
    """What leaves of a text that comes by characters, or whole; and the name of the rule that ended it."""
    rules = [rule_for(at, finder, on_fail, told) for at, (finder, on_fail, told) in enumerate(finders)]
    case = Case(text, (), tuple(finder for finder, _, _ in finders), tuple(rules))
    out, over = held(case, text if cut else [text])
    return out, over.use.name if over else None


@pytest.mark.parametrize("cut", [True, False])
def test_a_stop_ends_before_what_fails_a_replacement_after_it_a_redaction_goes_on(cut: bool) -> None:
    finder = ban("ban", ["bad"], wider=3)
    assert let_go("so bad it is", (finder, "stop", ""), cut=cut) == ("so ", "ban")
    assert let_go("so bad it is", (finder, "replace", "!"), cut=cut) == ("so ", "ban")
    assert let_go("so bad it is", (finder, "redact", "!"), cut=cut) == ("so ! it is", None)


def test_what_left_is_only_what_no_later_word_can_forbid() -> None:
    """``b`` alone is forbidden, and ``abc``: a stop at the b keeps the a too, once the c is there."""
    finder = ban("ban", ["b", "abc"])
    assert let_go("xabcx", (finder, "stop", "")) == ("x", "ban")
    assert let_go("xabx", (finder, "stop", "")) == ("xa", "ban")


def test_a_match_that_grows_is_redacted_once() -> None:
    digits = ban("digits", ["00"], tells="regex")
    assert let_go("a" + "0" * 50 + "b", (digits, "redact", "#")) == ("a#b", None)


def test_halves_that_come_together_after_a_redaction_are_redacted_too() -> None:
    finder = ban("ban", ["secret"])
    for told in ("", "#"):
        assert "secret" not in let_go("a secsecretret b", (finder, "redact", told))[0]
        assert "secret" not in let_go("secsecsecretretret", (finder, "redact", told))[0]
    assert let_go("a secsecretret b", (finder, "redact", "#")) == ("a sec#ret b", None)


def test_a_redaction_can_make_the_start_of_a_text() -> None:
    first, second = ban("ban", ["xx"]), ban_edge("edge", "ab", first=True)
    assert let_go("xxabc", (first, "redact", ""), (second, "redact", "#")) == ("c", None)


def test_at_one_place_the_strictest_wins_and_of_two_alike_the_first() -> None:
    one, two = ban("one", ["bad"]), ban("two", ["bad"])
    assert let_go("a bad", (one, "redact", "#"), (two, "stop", "")) == ("a ", "two")
    assert let_go("a bad", (one, "stop", ""), (two, "replace", "")) == ("a ", "two")
    assert let_go("a bad", (one, "stop", ""), (two, "stop", "")) == ("a ", "one")
    assert let_go("a bad", (one, "redact", "1"), (two, "redact", "2")) == ("a 1", None)


def test_boundaries_are_seen_at_both_ends_and_only_there() -> None:
    word = ban_word("word", "ab")
    for text in ("ab", "ab a", "a ab", "a ab a"):
        assert let_go(text, (word, "redact", "#"))[0] == text.replace("ab", "#")
    for text in ("aab", "aba", "abab"):
        assert let_go(text, (word, "redact", "#"))[0] == text


def test_an_empty_text_can_fail() -> None:
    assert let_go("", (ban_silence("silence"), "redact", "#")) == ("#", None)
    assert let_go("", (ban_silence("silence"), "stop", ""), cut=False) == ("", "silence")


def test_without_rules_everything_leaves_at_once() -> None:
    holder = HoldbackBuffer((), Judges({}).ask)
    holder.feed("abc")
    assert at_once(holder.drain()) == "abc"
    assert at_once(holder.drain(ends=True)) == ""


def test_what_passes_costs_one_question_a_read_and_none_while_nothing_can_leave() -> None:
    finders = {finder.name: finder for finder in (ban("one", ["xxxx"]), ban("two", ["y"]))}
    judges = Judges(finders)
    holder = HoldbackBuffer([rule_for(at, finder, "stop") for at, finder in enumerate(finders.values())], judges.ask)
    asked = []
    for piece in ("ab", "a", "bababab", "b", ""):
        holder.feed(piece)
        at_once(holder.drain())
        asked.append(judges.questions)
    at_once(holder.drain(ends=True))
    assert [*asked, judges.questions] == [0, 0, 1, 2, 2, 3]


def test_a_whole_text_that_passes_costs_one_question() -> None:
    finder = ban("ban", ["bad"])
    judges = Judges({"ban": finder})
    holder = HoldbackBuffer([rule_for(0, finder, "redact")], judges.ask)
    holder.feed("good " * 1000)
    assert at_once(holder.drain(ends=True)) == "good " * 1000
    assert judges.questions == 1


class Broken:
    """Does not run once it sees a sign."""

    def __init__(self, sign: str) -> None:
        self.sign = sign
        self.asked = 0

    async def ask(self, part: Completion, rule: Rule | None) -> Sequence[Verdict]:
        """As a panel does."""
        self.asked += self.sign in part.text
        unrun = Verdict(Outcome.DID_NOT_RUN, "did not run, it was asleep", (), "ban")
        return [unrun] if self.sign in part.text else []


@pytest.mark.parametrize(("on_fail", "act"), [("stop", "stop"), ("redact", "stop"), ("replace", "replace")])
def test_where_a_validator_did_not_run_the_text_ends_and_nothing_more_leaves(on_fail: str, act: str) -> None:
    broken, out = Broken("!"), ""
    holder = HoldbackBuffer([rule_for(0, ban("ban", ["xxxx"]), on_fail)], broken.ask)
    for piece in ("abcdef", "gh!", "ijkl"):
        holder.feed(piece)
        out += at_once(holder.drain())
    assert out + at_once(holder.drain(ends=True)) == "abc"
    assert list(holder.acts) == [f"{act} (ban: did not run, it was asleep)"]
    assert broken.asked == 1, "nobody waits for its deadline again"


def test_a_validator_that_breaks_its_promise_is_taken_at_its_word() -> None:
    """It says that four characters are enough, and then fails eight of which no four fail."""

    def find(text: str, offset: int, ends: bool) -> list[tuple[int, int]] | None:
        return [(4, 8)] if len(text) >= 8 else None

    finder = Finder("ban", 4, find)
    assert let_go("12345678", (finder, "redact", "#"), cut=False) == ("1234#", None)
    assert let_go(
        "12345678", (Finder("ban", 4, lambda *part: [] if len(part[0]) > 7 else None), "stop", ""), cut=False
    ) == ("", "ban")


def test_a_text_that_fails_everywhere_is_not_asked_about_forever() -> None:
    finder = ban("ban", ["a"], wider=40)
    for on_fail, most in (("redact", 2300), ("stop", 100)):
        judges = Judges({"ban": finder})
        holder = HoldbackBuffer([rule_for(0, finder, on_fail)], judges.ask)
        holder.feed("a" * 1000)
        at_once(holder.drain(ends=True))
        assert judges.questions < most


def test_what_was_done_is_told_once_with_its_reason() -> None:
    finder = ban("ban", ["bad"])
    holder = HoldbackBuffer([rule_for(0, finder, "redact")], Judges({"ban": finder}).ask)
    holder.feed("bad and bad")
    assert at_once(holder.drain(ends=True)) == "[removed] and [removed]"
    assert list(holder.acts) == ["redact (ban: forbidden)"]


async def nothing_fails(parts: list[Completion], part: Completion) -> Sequence[Verdict]:
    """Keep what was asked about."""
    parts.append(part)
    return ()


def test_a_part_says_where_it_stands_and_the_last_one_that_it_is_the_last() -> None:
    parts: list[Completion] = []
    holder = HoldbackBuffer([rule_for(0, ban("ban", ["xxx"]), "stop")], lambda part, rule: nothing_fails(parts, part))
    for piece in "abcde":
        holder.feed(piece)
        at_once(holder.drain())
    at_once(holder.drain("length", ends=True))
    assert [(part.text, part.offset, part.ends, part.finish_reason) for part in parts] == [
        ("abc", 0, False, None),
        ("bcd", 1, False, None),
        ("cde", 2, False, None),
        ("de", 3, True, "length"),
    ]


def test_tokens_come_only_with_all_of_the_text() -> None:
    parts: list[Completion] = []
    tokens = (Token("abc", -0.1),)
    holder = HoldbackBuffer(
        [rule_for(0, ban("ban", ["x"]), "stop")], lambda part, rule: nothing_fails(parts, part), tokens
    )
    holder.feed("abc")
    at_once(holder.drain(ends=True))
    assert parts[0].tokens == tokens
