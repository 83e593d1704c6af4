from __future__ import annotations

import zlib

import pytest

from postil.plugins.recognition.word_features import Concepts, features, unpacked, words_of

CONCEPTS = Concepts("emergency_concepts.txt")


def test_words_that_are_about_the_same_make_the_same_numbers() -> None:
    one, other = (set(features([word], CONCEPTS)[0]) for word in ("paracetamol", "ibuprofen"))
    assert one & other
    assert CONCEPTS.of("tablets") == CONCEPTS.of("comprimes") == ["pills"]
    assert "pills" in CONCEPTS.of("tabletten")
    assert CONCEPTS.of("umbrella") == ()


def test_a_word_of_any_length_is_read_by_its_beginning() -> None:
    assert words_of("a" * 1000) == ["a" * 24]
    assert words_of("can't breathe, 12!") == ["can't", "breathe", ",", "1", "2", "!"]


def test_without_a_file_no_word_is_about_anything() -> None:
    assert Concepts().of("tablets") == ()
    assert features(["tablets"], Concepts())[0] == features(["tablets"], Concepts())[0]


def test_weights_are_unpacked_as_whole_numbers_of_one_byte() -> None:
    assert list(unpacked(zlib.compress(bytes([0, 1, 255])), 3)) == [0, 1, -1]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not exactly 4 weights"),
        (b"rubbish", "cannot be unpacked"),
        (zlib.compress(b"abc"), "not exactly 4 weights"),
        (zlib.compress(b"abcde"), "not exactly 4 weights"),
        # A bomb: no more of it is unpacked than is needed.
        (zlib.compress(bytes(1 << 24)), "not exactly 4 weights"),
    ],
)
def test_what_are_not_these_weights_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        unpacked(data, 4)
