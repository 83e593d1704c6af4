"""Rows of each form as each method learns them, and files that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.methods.encoding import Encoder
from postil.registry.training.methods.rows import encode
from postil.registry.training.methods.sample_files import check_apart, read_samples
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
    assert letters.decode(rows.pairs[0].chosen.answer) == "good⊙"
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
    with pytest.raises(DatasetError, match=r"held\.jsonl, line 1: the same is asked in .*train\.jsonl, line 1; take"):
        check_apart(training, held_out)


def talk(*said: str, system: str = "", learned: bool = True) -> dict[str, Any]:
    """A conversation: the user and the assistant in turn."""
    turns: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for at, text in enumerate(said):
        turns.append({"role": ("user", "assistant")[at % 2], "content": text})
        if at % 2 and at < len(said) - 1 and not learned:
            turns[-1]["weight"] = 0
    return {"messages": turns}


@pytest.mark.parametrize(
    ("learned", "asked"),
    [
        (talk("q1", "a1", "q2", "a2"), talk("q1", "a1")),
        (talk("q1", "a1"), talk("q1", "a3", "q2", "a2")),
        (talk("Two  words ", "a"), talk("two WORDS", "b")),
        (talk("q", "a", system="Sort."), talk("q", "a", system="Sort it.")),
        (talk("q", "a", system="Sort."), talk("q", "a")),
    ],
)
def test_held_out_rows_leak_by_an_earlier_answer_by_spelling_and_under_other_instructions(
    learned: dict[str, Any], asked: dict[str, Any], write: Write
) -> None:
    training = read_samples(write("train.jsonl", [talk("x", "y"), learned]), "sft")
    with pytest.raises(DatasetError, match=r"held\.jsonl, line 1: the same is asked in .*train\.jsonl, line 2"):
        check_apart(training, read_samples(write("held.jsonl", [asked]), "sft"))


@pytest.mark.parametrize(
    ("learned", "asked"),
    [
        (talk("q1", "a1", "q2", "a2", learned=False), talk("q1", "a1")),
        (talk("q1", "a1", "q2", "a2"), talk("q2", "a2")),
        (
            {"messages": [{"role": "system", "content": "A."}, {"role": "assistant", "content": "a"}]},
            {"messages": [{"role": "system", "content": "B."}, {"role": "assistant", "content": "a"}]},
        ),
    ],
)
def test_what_is_only_read_or_follows_on_other_words_is_no_leak(
    learned: dict[str, Any], asked: dict[str, Any], write: Write
) -> None:
    training, held_out = (
        read_samples(write(name, [row]), "sft") for name, row in (("train.jsonl", learned), ("held.jsonl", asked))
    )
    check_apart(training, held_out)
