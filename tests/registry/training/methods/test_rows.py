"""Rows of each form as each method learns them, and files that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.methods.encoding import Encoder
from postil.registry.training.methods.rows import check_apart, encode, read_samples
from tests.registry.training.methods.conftest import Write

ANSWERED: list[tuple[dict[str, Any], str]] = [
    ({"instruction": "Sort.", "input": "a", "output": "b"}, "<system>Sort.⊙<user>a⊙<assistant>"),
    ({"instruction": "Greet.", "input": "", "output": "b"}, "<user>Greet.⊙<assistant>"),
    (
        {"instruction": "S.", "input": "a", "output": "b", "history": [{"role": "user", "content": "x"}]},
        "<system>S.⊙<user>x⊙<user>a⊙<assistant>",
    ),
    ({"prompt": "a", "completion": "b"}, "<user>a⊙<assistant>"),
    (
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        "<user>a⊙<assistant>",
    ),
]


@pytest.mark.parametrize(("row", "prompt"), ANSWERED)
def test_each_form_is_learned_as_a_prompt_and_its_answer(
    row: dict[str, Any], prompt: str, write: Write, letters: Any
) -> None:
    [coded] = encode(read_samples(write("rows.jsonl", [row]), "sft"), Encoder(letters)).shown
    assert letters.decode(coded.ids[: coded.start]) == prompt
    assert letters.decode(coded.answer) == "b⊙"


def test_pairs_and_verdicts_keep_both_answers_and_what_was_said_of_them(write: Write, letters: Any) -> None:
    pairs = write("pairs.jsonl", [{"prompt": "a", "chosen": "good", "rejected": "bad"}])
    rows = encode(read_samples(pairs, "dpo"), Encoder(letters))
    assert letters.decode(rows.pairs[0].rejected.answer) == "bad⊙"
    assert rows.tokens == len("good⊙bad⊙")
    judged = [{"prompt": "a", "completion": "x", "label": True}, {"prompt": "b", "completion": "y", "label": False}]
    rows = encode(read_samples(write("kto.jsonl", judged), "kto"), Encoder(letters))
    assert rows.good == (True, False)
    with pytest.raises(DatasetError, match="answers of one kind only"):
        read_samples(write("one.jsonl", judged[:1]), "kto")


def test_plain_text_is_learned_after_its_first_token(write: Write, letters: Any) -> None:
    [coded] = encode(read_samples(write("text.jsonl", [{"text": "abc"}]), "text"), Encoder(letters)).shown
    assert letters.decode(coded.answer) == "bc⊙"


@pytest.mark.parametrize("method", ["sft", "text", "dpo", "kto"])
def test_rows_of_another_form_are_refused_with_the_form_that_is_needed(method: str, write: Write) -> None:
    row = {"prompt": "a", "completion": "b"} if method == "text" else {"text": "abc"}
    with pytest.raises(DatasetError, match=rf"rows\.jsonl: --method {method} learns from rows with .*; it has "):
        read_samples(write("rows.jsonl", [row]), method)


def test_a_row_longer_than_the_engine_takes_is_refused_with_its_line(write: Write, letters: Any) -> None:
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "a" * 50, "completion": "b"}]
    with pytest.raises(
        DatasetError, match=r"rows\.jsonl, line 2: the row has 70 tokens, and the engine's window is 40"
    ):
        encode(read_samples(write("rows.jsonl", rows), "sft"), Encoder(letters, window=40))


@pytest.mark.parametrize(
    ("method", "row"),
    [
        ("sft", {"prompt": "a", "completion": "b"}),
        ("text", {"text": "abc"}),
        ("dpo", {"prompt": "a", "chosen": "b", "rejected": "c"}),
    ],
)
def test_held_out_rows_that_are_learned_too_are_refused(method: str, row: dict[str, Any], write: Write) -> None:
    training, held_out = (read_samples(write(name, [row]), method) for name in ("train.jsonl", "held.jsonl"))
    with pytest.raises(DatasetError, match=r"held\.jsonl, line 1: the same is asked in .*train\.jsonl"):
        check_apart(training, held_out)
