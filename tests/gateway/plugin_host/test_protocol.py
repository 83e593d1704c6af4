"""What is said to a process and by it survives every way of cutting it, and rubbish is told from an answer."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.ipc import FrameError
from postil.gateway.plugin_host import protocol as wire
from postil.plugins import AskAgain, Fail, Fallback, Hold, Outcome, Span, Undecided, Verdict

TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)
SPANS = st.lists(st.builds(Span, st.integers(0, 9), st.integers(0, 9)), max_size=5)
ANSWERS = st.one_of(
    st.builds(Verdict, st.sampled_from(Outcome), TEXTS, SPANS, TEXTS, TEXTS, TEXTS, TEXTS),
    st.builds(Fallback, TEXTS, TEXTS),
    st.builds(AskAgain, st.none() | TEXTS, st.dictionaries(TEXTS, st.integers(0, 9) | TEXTS), st.none() | TEXTS),
    st.builds(Hold, TEXTS),
    st.builds(Fail, TEXTS),
    st.builds(Undecided, TEXTS),
    TEXTS,
    st.none(),
)


@given(st.lists(ANSWERS, max_size=5), st.lists(st.integers(1, 30), min_size=1))
def test_every_answer_arrives_however_it_is_cut(answers: list[object], cuts: list[int]) -> None:
    sent = b"".join(wire.answer(n, wire.kind_of(answer) or "", answer) for n, answer in enumerate(answers))
    frames, arrived = wire.reply_frames(), []
    while sent:
        for cut in cuts:
            arrived += [wire.read_reply(body) for body in frames.feed(sent[:cut])]
            sent = sent[cut:]
    assert [reply.id for reply in arrived] == list(range(len(answers)))
    assert [wire.value(reply) for reply in arrived] == answers


@given(st.binary(max_size=200))
def test_what_is_no_reply_is_refused_by_an_error_that_is_known(body: bytes) -> None:
    try:
        reply = wire.read_reply(body)
        wire.value(reply)
    except (msgspec.MsgspecError, KeyError, UnicodeError, RecursionError):
        pass


def test_no_more_is_held_than_an_answer_may_be_long() -> None:
    with pytest.raises(FrameError):
        list(wire.reply_frames().feed(b"\xff\xff\xff\xff"))


def test_a_name_that_a_plugin_gives_is_one_line_of_some_length() -> None:
    framed = wire.reply(1, wire.RAISED, "a\nb\x00" + "c" * 1000)
    (body,) = wire.reply_frames().feed(framed)
    assert wire.text(wire.read_reply(body)) == "a b " + "c" * 496
