from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.reviews.asked import CUT, cut, is_whole, last_message

WORDS = "my head hurts"
USER = {"role": "user", "content": WORDS}
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text(max_size=300)})
    | st.text(max_size=9),
    max_size=20,
)


def test_what_fits_is_stored_as_it_was_sent_but_for_a_note_that_a_client_made_up() -> None:
    request = {"messages": [USER], "temperature": 0}
    assert cut({**request, CUT: {"text": True}}, 4096) == request
    assert is_whole(request)


def test_the_last_message_of_the_user_stays_whole_with_its_nearest_neighbours() -> None:
    old, answer = {"role": "user", "content": "x" * 5000}, {"role": "assistant", "content": "short"}
    late = {"role": "assistant", "content": "y" * 5000}
    request = {"messages": [old, answer, USER, late, answer], "tools": "z" * 5000, "temperature": 0}
    stored = cut(request, 2000)
    assert stored["messages"] == [answer, USER, answer]
    assert set(stored) == {"messages", "temperature", CUT}
    assert (stored[CUT]["text"], stored[CUT]["bytes"]) == (False, len(json.dumps(request)))
    assert is_whole(stored)


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600", '"', "\x00"])
def test_a_message_that_is_too_long_is_cut_where_it_fits(letter: str) -> None:
    stored = cut({"messages": [{"role": "user", "content": letter * 9000}]}, 4096)
    assert len(json.dumps(stored)) <= 4096
    assert len(last_message(stored)) > 200
    assert not is_whole(stored)


@pytest.mark.parametrize(
    "request_", [{"prompt": "p" * 9000}, {"prompt": ["p" * 9000]}, {"prompt": 1, "other": "x" * 9000}]
)
def test_a_prompt_is_cut_too(request_: dict[str, Any]) -> None:
    assert len(json.dumps(cut(request_, 4096))) <= 4096


@given(messages=MESSAGES, extra=st.dictionaries(st.text(max_size=5), st.text(max_size=200), max_size=10))
def test_no_request_is_stored_larger_than_the_bound(messages: list[Any], extra: dict[str, str]) -> None:
    stored = cut({**extra, "messages": messages}, 1024)
    assert len(json.dumps(stored)) <= 1024
    if is_whole(stored):
        assert last_message(stored) == last_message({"messages": messages})
