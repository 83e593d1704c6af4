"""Near texts are found and measured exactly, whatever the case, the blanks and the order of the rows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.training.data.similar import clusters, likeness, near_index, near_pairs, pieces

TEXTS = [
    "my knee hurts since monday morning",
    "My  KNEE hurts since Monday morning",
    "my knee hurts since sunday morning",
    "the invoice of last month is wrong",
    "",
]


def test_the_same_and_the_near_are_found_and_the_others_are_not() -> None:
    pairs = near_pairs(TEXTS)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2)]
    assert pairs[0].likeness == 1
    assert pairs[1].likeness == likeness(pieces(TEXTS[0]), pieces(TEXTS[2]))
    assert 0.5 < pairs[1].likeness < 1
    assert near_pairs(TEXTS, 0.95) == pairs[:1]


def test_one_that_repeats_is_told_with_the_first_alone() -> None:
    assert [(pair.first, pair.second) for pair in near_pairs(["a b c d"] * 4)] == [(0, 1), (0, 2), (0, 3)]


def test_a_cluster_is_all_that_pairs_lead_to() -> None:
    pairs = near_pairs(TEXTS)
    assert clusters(len(TEXTS), pairs) == [0, 0, 0, 3, 4]
    assert clusters(len(TEXTS), reversed(pairs)) == [0, 0, 0, 3, 4]


def test_an_index_tells_the_nearest_first() -> None:
    index = near_index()
    for text in TEXTS:
        index.add(text)
    assert len(index) == 5
    assert [one.other for one in index.near("my knee hurts since sunday morning!")] == [2, 0]
    assert [one.other for one in index.near("quite another text")] == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(alphabet="abc ", max_size=30), min_size=1, max_size=20))
def test_every_pair_that_is_found_is_as_near_as_it_says(texts: list[str]) -> None:
    for pair in near_pairs(texts, 0.4):
        assert pair.first < pair.second
        assert pair.likeness == likeness(pieces(texts[pair.first]), pieces(texts[pair.second])) >= 0.4


def test_of_many_pairs_hardly_any_is_missed() -> None:
    chance = random.Random(0)
    words = [chr(97 + at % 26) * 2 + chr(97 + at // 26 % 26) * 2 for at in range(200)]
    texts = [" ".join(chance.choices(words, k=9)) for _ in range(150)]
    texts += [" ".join([*text.split()[:-1], "other"]) for text in texts]
    found = {(pair.first, pair.second) for pair in near_pairs(texts)}
    known = [pieces(text) for text in texts]
    wanted = {(one, other) for other in range(300) for one in range(other) if likeness(known[one], known[other]) >= 0.5}
    assert found <= wanted
    assert len(found) >= 0.97 * len(wanted) > 100


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from postil.registry.training.errors import TuneExtraMissingError

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TuneExtraMissingError, match="finding near-duplicates needs datasketch; install it with: bash"):
        near_index()
