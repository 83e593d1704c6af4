"""The file of a router: what it chooses, and that nothing else is taken for one."""

from __future__ import annotations

import base64
import json
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.plugins.recognition.router_model import BUCKETS, READ, RouterFile, RouterModel, read_router
from tests.support.routers import WORDS, router_values, sealed, write_router

MODEL = RouterModel(RouterFile.model_validate_json(sealed(router_values())))
TEXTS = st.text(max_size=300) | st.lists(st.sampled_from(["card", "fever", "lease", "banana", "a", "!"])).map(" ".join)


@pytest.mark.parametrize(("text", "model"), [(word, model) for model, words in WORDS.items() for word in words])
def test_a_text_is_for_the_model_that_knows_its_words(text: str, model: str | None) -> None:
    found = MODEL.choose(f"{text} {text}")
    assert found.model == model
    assert found.sure is (model is not None)


def test_a_text_without_a_known_word_is_for_none() -> None:
    for text in ("", "zzz qqq", "!!!"):
        assert not MODEL.choose(text).sure


def test_a_text_of_two_models_is_for_none() -> None:
    assert not MODEL.choose("fever lease").sure


@given(TEXTS)
def test_probabilities_add_up_and_the_same_text_gets_the_same_ones(text: str) -> None:
    chances = MODEL.chances(text)
    assert sum(chances) == pytest.approx(1)
    assert all(0 <= one <= 1 for one in chances)
    assert chances == MODEL.chances(text)


@given(TEXTS, st.floats(0, 1))
def test_it_is_sure_exactly_where_a_model_reaches_the_threshold(text: str, threshold: float) -> None:
    model, probability, sure = MODEL.choose(text, threshold)
    assert probability == max(MODEL.chances(text))
    assert sure == (model is not None and probability >= threshold)


@given(st.sampled_from(["card ", "fever! ", "\u00e9", "a"]), st.text(max_size=20))
def test_what_comes_after_the_bound_is_not_read(unit: str, rest: str) -> None:
    long = (unit * READ)[:READ]
    assert MODEL.choose(long + rest) == MODEL.choose(long)


def written(path: Path, **more: Any) -> Path:
    """A file with some values changed, and the digest that belongs to them."""
    path.write_text(sealed(router_values(**more)), encoding="utf-8")
    return path


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    model = read_router(write_router(tmp_path / "router.json"))
    assert model.file.models == tuple(WORDS)
    assert model.choose("fever").model == "healthcare"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json cannot be read \(No such file or directory\)"):
        read_router(tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        read_router(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": "pickle"}, "format: Input should be 'postil-router'"),
        ({"version": 2}, "version: Input should be 1"),
        ({"models": ["legal"]}, "models: Tuple should have at least 2 items"),
        ({"models": [f"a{n}" for n in range(65)]}, "models: Tuple should have at most 64 items"),
        ({"models": ["legal", "legal", "finance", None]}, "models: a model is named twice"),
        ({"models": ["../etc", "legal", "finance", None]}, r"models.0: String should match pattern"),
        ({"models": ["legal\n", "a", "b", None]}, r"models.0: String should match pattern"),
        ({"threshold": 1.5}, "threshold: Input should be less than or equal to 1"),
        ({"threshold": -1}, "threshold: Input should be greater than or equal to 0"),
        ({"bias": [0.0]}, "there is not one bias for each model"),
        ({"bias": [1e9] * 4}, "bias.0: Input should be less than or equal to 1000"),
        ({"scale": 0}, "scale: Input should be greater than 0"),
        ({"weights": "%%%"}, "weights: they are not base64"),
        ({"weights": base64.b64encode(b"rubbish").decode()}, "the weights cannot be unpacked"),
        ({"weights": base64.b64encode(zlib.compress(b"a")).decode()}, "there are not exactly 262,144 weights"),
        ({"weights": base64.b64encode(zlib.compress(bytes(BUCKETS * 40))).decode()}, "not exactly 262,144 weights"),
        ({"data": [{"file": "x" * 501, "model": None, "rows": 1, "digest": ""}]}, "data.0.file: String should have at"),
    ],
)
def test_a_file_out_of_bounds_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    path = written(tmp_path / "router.json", **changes)
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")) as caught:
        read_router(path)
    assert str(caught.value).startswith(f"{path} is no router: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b'{"threshold": NaN}', b"\x80\x04\x95pickle"],
)
def test_what_is_no_such_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "router.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no router: ") as caught:
        read_router(path)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    path.write_text(sealed(router_values()).replace('"scale": 10.0', '"scale": NaN'))
    with pytest.raises(ValueError, match="is no router: "):
        read_router(path)


def test_a_file_that_was_damaged_or_edited_is_refused(tmp_path: Path) -> None:
    path = write_router(tmp_path / "router.json")
    values = json.loads(path.read_text())
    for changes in ({"threshold": 0.1}, {"bias": [9.0, 0.0, 0.0, 0.0]}, {"digest": "sha256:0"}, {"unknown": 1}):
        path.write_text(json.dumps(values | changes))
        with pytest.raises(ValueError, match=r"damaged or edited|unknown: Extra inputs are not permitted"):
            read_router(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="is larger than 8 MiB, so it is no router"):
        read_router(path)


def test_a_character_that_stands_for_many_does_not_make_a_text_longer() -> None:
    ligature = "\ufdfa"  # 18 characters, once it is written out.
    words = unicodedata.normalize("NFKD", ligature).split()
    assert len(words) == 4
    assert MODEL.choose(ligature * READ) == MODEL.choose(ligature * (READ // 2))
