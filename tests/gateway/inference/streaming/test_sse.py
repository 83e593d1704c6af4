"""Server-sent events: written, cut and read again, however their bytes are cut on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.engine.decode import UnreadableAnswerError
from postil.gateway.inference.streaming import sse

CONTENTS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), max_size=6)
CUTS = st.lists(st.integers(0, 999), max_size=20)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data, cut at these places."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(CONTENTS, CUTS)
def test_what_was_written_is_read_however_it_is_cut(contents: list[dict[str, Any]], cuts: list[int]) -> None:
    reader = sse.EventReader()
    stream = b"".join(map(sse.write, contents)) + sse.DONE
    read = [data for piece in pieces(stream, cuts) for data in reader.read(piece)]
    assert [json.loads(data) for data in read] == contents
    assert reader.done
    assert sse.read_all(stream) == read


@given(CONTENTS, CUTS)
def test_cut_into_whole_events_nothing_is_lost_and_none_is_halved(
    contents: list[dict[str, Any]], cuts: list[int]
) -> None:
    cutter, stream = sse.EventCutter(), b"".join(map(sse.write, contents)) + b"data: a beginning"
    whole = [cutter.cut(piece) for piece in pieces(stream, cuts)]
    assert b"".join(whole) + cutter.rest == stream
    assert all(not events or events.endswith(sse.END) for events in whole)
    assert [one for events in whole for one in sse.split(events)] == [sse.write(content) for content in contents]


def test_lines_of_other_fields_carriage_returns_and_several_lines_of_data_are_read_as_the_standard_says() -> None:
    raw = b": a comment\r\nevent: x\r\ndata: {\r\ndata:}\r\n\r\nid: 1\n\ndata: [DONE]\n\ndata: {}\n\n"
    assert sse.read_all(raw) == [b"{\n}"]


def test_an_event_without_an_end_is_not_kept_forever() -> None:
    for read in (sse.EventReader().read, sse.EventCutter().cut):
        with pytest.raises(UnreadableAnswerError, match="cannot be read"):
            read(b"data: " + b"x" * (9 << 20))


@pytest.mark.parametrize(
    ("begins", "stream"), [(b"data:", True), (b": ping", True), (b"<html>", False), (b"{}", False)]
)
def test_html_and_json_are_no_stream(begins: bytes, stream: bool) -> None:
    assert sse.is_stream(begins) is stream


def test_a_stream_is_whole_where_it_says_so() -> None:
    assert sse.is_done(sse.DONE)
    assert sse.ends_done(b"}\n\n" + sse.DONE + b"\n")
    assert not sse.ends_done(b'data: {"text":"data: [DONE]"}\n\n')
