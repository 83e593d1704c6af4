"""Variants keep the answer and say where they come from; what is held out is never varied."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.data.check import check
from postil.registry.training.data.held_out import marked
from postil.registry.training.data.paraphrase import Paraphraser, check_endpoint
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.vary import Paraphrasing, VaryReport, vary
from postil.registry.training.dataset import load
from tests.fakes.http import read_body, respond, serving
from tests.registry.training.data.files import labelled, messages, write, write_labelled

USER, ANSWER = {"role": "user", "content": "My invoice is wrong."}, {"role": "assistant", "content": "Sorry."}
GO = {"role": "assistant", "content": "go"}
ASKED = USER["content"]


def test_variants_follow_their_row_keep_its_label_and_name_it(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(40))
    report = vary(path, tmp_path / "b.jsonl", ways=["keyboard", "casing"])
    before, after = load(path), load(tmp_path / "b.jsonl")
    assert (report.rows, len(after.examples), sum(report.variants.values())) == (40, 80, 40)
    assert set(report.variants) == {"casing", "keyboard"}
    rows = read_rows(tmp_path / "b.jsonl").rows
    for one, (row, variant) in zip(before.examples, zip(rows[::2], rows[1::2], strict=True), strict=True):
        assert row.asked == one.message != variant.asked
        assert variant.answer == row.answer
        assert (variant.origin, variant.raw["varied_from"]) == ("varied", one.line)
        assert variant.raw["varied_by"] in report.variants
    assert read_rows(tmp_path / "b.jsonl").digest == report.digest


def test_equal_seeds_give_equal_files_and_others_give_others(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(20))
    made = [vary(path, tmp_path / f"{n}.jsonl", seed=seed).digest for n, seed in enumerate([0, 0, 1])]
    assert made[0] == made[1] != made[2]


def test_more_variants_of_each_row_are_all_different(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", labelled("Please believe it.", "a"), labelled("Please believe it.", "a"))
    report = vary(path, tmp_path / "b.jsonl", each=9)
    texts = [row.asked for row in read_rows(tmp_path / "b.jsonl").rows]
    assert len(texts) - len(set(texts)) == 1
    assert max(report.variants.values()) <= 2


@pytest.mark.parametrize(
    "values",
    [
        {"instruction": "Sort.", "input": ASKED, "output": "x"},
        {"messages": [USER, ANSWER, USER, ANSWER]},
        {"prompt": ASKED, "completion": "x"},
        {"prompt": [USER], "completion": [ANSWER]},
        {"prompt": ASKED, "chosen": "x", "rejected": "y"},
        {"prompt": ASKED, "completion": "x", "label": False},
        {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [GO]},
    ],
)
def test_of_every_kind_only_what_is_asked_last_changes(tmp_path: Path, values: dict[str, Any]) -> None:
    vary(write(tmp_path / "a", values), tmp_path / "b", ways=["phone"])
    row, variant = read_rows(tmp_path / "b").rows
    assert (row.asked, variant.asked) == (ASKED, "my invoice is wrong")
    text = json.dumps(dict(variant.raw)).replace("my invoice is wrong", ASKED)
    assert {key: value for key, value in json.loads(text).items() if "varied" not in (key[:6], value)} == values


def test_rows_in_which_nobody_asks_or_that_were_varied_are_left_alone(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "system", "content": "Hello There."}, ANSWER]},
        {"messages": [USER, ANSWER], "origin": "varied"},
    ]
    assert vary(write(tmp_path / "a", *rows), tmp_path / "b").variants == {}
    rows = [{"instruction": "Say Hello.", "input": "", "output": "x"}]
    assert vary(write(tmp_path / "c", *rows), tmp_path / "d").variants == {}


def test_what_must_not_be_varied_is_refused(tmp_path: Path) -> None:
    held_out = write(tmp_path / "a", marked(labelled("a", "b")))
    with pytest.raises(DatasetError, match="rows that are held out, which are never varied"):
        vary(held_out, tmp_path / "out")
    with pytest.raises(DatasetError, match="plain text, which is learned as it stands"):
        vary(write(tmp_path / "b", {"text": "a"}), tmp_path / "out")
    with pytest.raises(DatasetError, match="'morse' is no way of writing; use some of keyboard, phone"):
        vary(held_out, tmp_path / "out", ways=["morse"])
    with pytest.raises(DatasetError, match="exists; name another place"):
        vary(held_out, held_out)
    assert not (tmp_path / "out").exists()


def test_a_check_does_not_count_variants_as_duplicates(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(80))
    vary(path, tmp_path / "b.jsonl", ways=["casing"])
    report = check(tmp_path / "b.jsonl")
    assert [finding.check for finding in report.findings] == ["length"]
    assert report.files[0].origins == {"varied": 80}


# Paraphrases, by a server of ours.

Answer = Callable[[str], tuple[int, bytes]]


async def paraphrased(path: Path, answer: Answer, most: int = 99, *, same_label: bool = False) -> VaryReport:
    """Paraphrase the rows of a file, where ``answer`` makes the server's answer of a text; return the report."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.loads(await read_body(receive))
        assert scope["path"] == "/v1/chat/completions"
        assert body["model"] == "other"
        await respond(send, *answer(body["messages"][1]["content"]))

    async with serving(app) as url:
        with httpx.Client() as client:
            wanted = Paraphrasing(Paraphraser(client, f"{url}/v1/", "other"), most, same_label)
            return await asyncio.to_thread(vary, path, path.with_suffix(".out"), ways=[], paraphrasing=wanted)


def said(text: object) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def backwards(text: str) -> tuple[int, bytes]:
    return said("\n ".join(reversed(text.split())).replace(" ", " so "))


async def test_paraphrases_are_bounded_and_marked(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(10))
    report = await paraphrased(path, backwards, most=4)
    assert (report.variants, report.dropped, report.trouble) == ({"paraphrase": 4}, {}, "")
    variants = [row for row in read_rows(tmp_path / "a.out").rows if row.origin]
    assert {row.raw["varied_by"] for row in variants} == {"paraphrase"}
    assert not any("\n" in row.asked for row in variants)


async def test_what_is_too_near_too_long_or_too_short_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *(labelled(f"{word} is wrong with my invoice", "b") for word in "abc"))
    answers = {"a": "A  is wrong with my invoice", "b": "no", "c": "very " * 99}
    report = await paraphrased(path, lambda text: said(answers[text[0]]))
    assert (report.variants, report.dropped) == ({}, {"length": 2, "too near": 1})


async def test_texts_with_personal_data_are_not_sent(tmp_path: Path) -> None:
    rows = [labelled(text, "b") for text in ("write to jane.doe@example.org please", "some invoice is wrong")]
    sent: list[str] = []

    def answer(text: str) -> tuple[int, bytes]:
        sent.append(text)
        return backwards(text)

    report = await paraphrased(write(tmp_path / "a.jsonl", *rows), answer)
    assert sent == ["some invoice is wrong"]
    assert report.dropped == {"personal data": 1}


async def test_a_paraphrase_with_another_label_is_dropped_where_that_is_asked(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(60))
    wrong = said("knee fever cough throat rash ankle stomach shoulder and all that")
    report = await paraphrased(path, lambda text: wrong, same_label=True)
    assert report.dropped["other label"] + report.dropped["too near"] >= 59
    assert report.variants.get("paraphrase", 0) <= 1
    with pytest.raises(DatasetError, match="has no labels that paraphrases could be held against"):
        await paraphrased(write(tmp_path / "b.jsonl", {"prompt": "a", "completion": "b"}), backwards, same_label=True)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ((503, b"{}"), "it answered 503"),
        ((200, b"[]"), "its answer is not a chat completion"),
        (said(None), "its answer is not a chat completion"),
        ((200, b" " * (2 << 20)), "its answer is longer than 1 MiB"),
    ],
)
async def test_after_three_failures_in_a_row_nobody_is_asked(
    tmp_path: Path, answer: tuple[int, bytes], trouble: str
) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(10))
    report = await paraphrased(path, lambda text: answer)
    assert (report.variants, report.trouble) == ({}, trouble)
    assert report.dropped == {"no answer": 3, "not asked": 7}
    assert len(read_rows(tmp_path / "a.out").rows) == 10


async def test_one_failure_is_not_the_end(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(10))
    answers = iter([(500, b""), (500, b"")])
    report = await paraphrased(path, lambda text: next(answers, backwards(text)))
    assert (report.variants, report.dropped) == ({"paraphrase": 8}, {"no answer": 2})


def test_an_endpoint_that_is_gone_is_told(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(4))
    with httpx.Client(timeout=2) as client:
        wanted = Paraphrasing(Paraphraser(client, "http://127.0.0.1:9/v1", "other"), 9)
        report = vary(path, tmp_path / "b.jsonl", ways=[], paraphrasing=wanted)
    assert (report.trouble, report.dropped["no answer"]) == ("it cannot be reached (ConnectError)", 3)


@pytest.mark.parametrize("url", ["", "host/v1", "ftp://host", "https://key:secret@host/v1", "http://[::1"])
def test_what_is_no_endpoint_is_refused_without_being_shown(url: str) -> None:
    check_endpoint("https://host/v1")
    with pytest.raises(DatasetError, match="not an API's address") as caught:
        check_endpoint(url)
    assert "secret" not in str(caught.value)
