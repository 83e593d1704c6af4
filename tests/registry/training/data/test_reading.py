"""Every form of training data is known by itself, and everything that is wrong with a file is said at once."""

from __future__ import annotations

import codecs
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.data.problems import DataProblemsError
from postil.registry.training.data.reading import read_rows, scan_rows
from postil.registry.training.data.rows import (
    CompletionRow,
    FeedbackRow,
    InstructionRow,
    MessagesRow,
    PreferenceRow,
    Row,
    TextRow,
    Turn,
    last_asked,
)
from postil.registry.training.errors import TuneExtraMissingError

USER, ANSWER = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
SYSTEM = {"role": "system", "content": "Be kind."}
INSTRUCTION = {"instruction": "Sort.", "input": "hi", "output": "x", "history": [ANSWER]}
MESSAGES = {"messages": [SYSTEM, USER, ANSWER]}
PREFERENCE = {"prompt": "hi", "chosen": "hello", "rejected": "go"}
OPENAI = {
    "input": {"messages": [USER]},
    "preferred_output": [ANSWER],
    "non_preferred_output": [{"role": "assistant", "content": "go"}],
}
FEEDBACK = {"prompt": "hi", "completion": "hello", "label": True}
FORMS: list[tuple[dict[str, Any], Row, str]] = [
    (
        INSTRUCTION,
        InstructionRow(line=1, instruction="Sort.", input="hi", output="x", history=(Turn("assistant", "hello"),)),
        "x",
    ),
    (
        MESSAGES,
        MessagesRow(line=1, messages=(Turn("system", "Be kind."), Turn("user", "hi"), Turn("assistant", "hello"))),
        "hello",
    ),
    ({"prompt": "hi", "completion": "hello"}, CompletionRow(line=1, prompt="hi", completion="hello"), "hello"),
    (
        {"prompt": [USER], "completion": [ANSWER]},
        CompletionRow(line=1, prompt=(Turn("user", "hi"),), completion="hello"),
        "hello",
    ),
    (PREFERENCE, PreferenceRow(line=1, prompt="hi", chosen="hello", rejected="go"), "hello"),
    (OPENAI, PreferenceRow(line=1, prompt=(Turn("user", "hi"),), chosen="hello", rejected="go"), "hello"),
    (FEEDBACK, FeedbackRow(line=1, prompt="hi", completion="hello", label=True), "hello"),
    ({"text": "hi"}, TextRow(line=1, text="hi"), ""),
]


def write(path: Path, *rows: object) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(("values", "row", "answer"), FORMS)
def test_each_form_makes_rows_of_its_kind(tmp_path: Path, values: dict[str, Any], row: Row, answer: str) -> None:
    file = read_rows(write(tmp_path / "a", values))
    assert file.rows == (row,)
    assert (file.kind, file.format, file.rows[0].raw) == (row.kind, "jsonl", values)
    assert (row.asked, row.answer, row.origin) == ("hi", answer, "")


def test_other_keys_are_kept_and_the_origin_is_one_of_them(tmp_path: Path) -> None:
    file = read_rows(write(tmp_path / "a", {"text": "hi", "origin": "varied", "n": None}, {"text": "ho", "origin": 3}))
    assert [(row.origin, dict(row.raw)) for row in file.rows] == [
        ("varied", {"text": "hi", "origin": "varied"}),
        ("", {"text": "ho", "origin": 3}),
    ]


def test_an_instruction_without_input_is_asked_itself(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "a", {"instruction": "Say hi.", "output": "hi"})).rows
    assert rows[0].asked == "Say hi."


def test_of_messages_text_parts_developers_and_weights_are_read_as_openai_means_them(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    turns = [{"role": "developer", "content": parts}, USER, ANSWER | {"weight": 0}, USER, ANSWER | {"weight": 1}]
    [row] = read_rows(write(tmp_path / "a", {"messages": turns})).rows
    assert isinstance(row, MessagesRow)
    assert row.messages[0] == Turn("system", "a b")
    assert [turn.trained for turn in row.messages] == [True, True, False, True, True]


def test_without_a_user_the_last_message_is_what_is_asked() -> None:
    assert last_asked((Turn("system", "a"), Turn("assistant", "b"))) == "b"
    assert last_asked(()) == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_gives_the_same_rows_and_digest(tmp_path: Path, encoding: str) -> None:
    text = json.dumps({"text": "übel"}, ensure_ascii=False) + "\n"
    plain = read_rows(write(tmp_path / "plain", text.strip()))
    (tmp_path / "a").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    file = read_rows(tmp_path / "a")
    assert (file.rows, file.digest) == (plain.rows, plain.digest)


def test_big_endian_utf_16_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(codecs.BOM_UTF16_BE + json.dumps({"text": "ü"}).encode("utf-16-be"))
    assert read_rows(tmp_path / "a").rows[0].asked == "ü"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_known_by_its_first_line(tmp_path: Path, delimiter: str) -> None:
    lines = [("prompt", "completion", "label"), ("a", '"two\nlines"', "true"), (), ("b", "c", "0")]
    path = write(tmp_path / "a", *(delimiter.join(cells) for cells in lines))
    file = read_rows(path)
    assert (file.format, file.unit) == ("csv", "line")
    assert file.rows == (
        FeedbackRow(line=2, prompt="a", completion="two\nlines", label=True),
        FeedbackRow(line=5, prompt="b", completion="c", label=False),
    )


def test_in_csv_conversations_are_json_and_answers_stay_text(tmp_path: Path) -> None:
    answer = '"{""category"": ""x""}"'
    path = write(tmp_path / "a.csv", "instruction,input,output,history", f"Sort.,hi,{answer},")
    assert read_rows(path).rows[0].answer == '{"category": "x"}'
    turns = json.dumps([USER]).replace('"', '""')
    one = write(tmp_path / "b.csv", "prompt,completion", f'"{turns}",hello')
    assert read_rows(one).rows == (CompletionRow(line=2, prompt=(Turn("user", "hi"),), completion="hello"),)


def test_csv_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    wide = write(tmp_path / "a.csv", "text,origin", "a", "b,c")
    with pytest.raises(DatasetError, match="line 2: the row has 1 cells and the first line 2; quote"):
        read_rows(wide)
    long = write(tmp_path / "b.csv", "text", "x" * 200_000)
    with pytest.raises(DatasetError, match=r"line 2: this is not CSV \(field larger"):
        read_rows(long)


def test_parquet_is_read_by_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    turns = [USER, ANSWER | {"weight": 0}]
    parquet.write_table(pyarrow.Table.from_pylist([MESSAGES, {"messages": turns}]), tmp_path / "a")
    file = read_rows(tmp_path / "a")
    assert (file.format, file.unit, file.kind) == ("parquet", "row", "messages")
    assert file.rows[0] == FORMS[1][1]
    (tmp_path / "b").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DatasetError, match="not a Parquet file that can be read"):
        read_rows(tmp_path / "b")


def test_without_its_library_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"PAR1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TuneExtraMissingError, match="reading Parquet needs pyarrow; install it with"):
        read_rows(tmp_path / "a")


BAD: list[tuple[object, str]] = [
    ("{oops", "this is not a JSON object; write one"),
    ("[" * 100_000, "this is one JSON array"),
    ('[\n{"text": "a"}\n]', "this is one JSON array and not an object per line; write each"),
    ({}, "an object without keys is no known form of training data; write one of messages; "),
    ({"question": "a", "q": 1}, r'the keys "q", "question" are no known form'),
    ({"instruction": "a", "input": "b"}, "the key 'output' is missing; every line needs \"instruction\""),
    ({"instruction": "a", "input": 3, "output": "b"}, "'input' is not a text"),
    ({"instruction": " ", "input": "", "output": "b"}, "the input is empty"),
    ({"instruction": "a", "input": "b", "output": ""}, "the output is empty"),
    ({"instruction": "a", "output": "b", "history": {"a": 1}}, "the history is not a list of turns; write each"),
    ({"messages": []}, "'messages' is not a list of turns"),
    ({"messages": ["hi"]}, "'messages' is not a list of turns"),
    ({"messages": [USER, ANSWER], "tools": [{}]}, "the row has tools"),
    ({"messages": [USER, {"role": "tool", "content": "3"}]}, "'messages' has calls of tools"),
    ({"messages": [ANSWER, USER]}, "the last message is not the assistant's"),
    ({"messages": [ANSWER]}, "nobody asks anything"),
    ({"messages": [USER, ANSWER | {"content": " "}]}, "the last message is empty"),
    ({"messages": [USER, ANSWER | {"content": [{"type": "image_url"}]}]}, "'messages' is not a list of turns"),
    ({"prompt": "a"}, 'the key \'completion\' is missing; every line needs "prompt", "completion"'),
    ({"prompt": [USER], "completion": [USER]}, "'completion' is not one message of the assistant"),
    ({"prompt": "a", "chosen": "b", "rejected": "b"}, "the better and the worse answer are the same"),
    ({"chosen": "b", "rejected": "c"}, "the key 'prompt' is missing"),
    (OPENAI | {"input": "hi"}, "'input' is not an object with messages"),
    (OPENAI | {"input": {"messages": [USER], "tools": [1]}}, "the row has tools"),
    (FEEDBACK | {"label": "good"}, "'label' is neither true nor false"),
    ({"text": "a", "label": "b"}, "a text with a label is no known form"),
    ({"text": "half \ud83d"}, "'text' is not a text"),
]


@pytest.mark.parametrize(("row", "said"), BAD)
def test_a_row_that_cannot_be_learned_from_is_refused_with_line_and_remedy(
    tmp_path: Path, row: object, said: str
) -> None:
    path = write(tmp_path / "a", row)
    with pytest.raises(DatasetError, match=said) as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}, line 1: ")
    assert "; " in str(caught.value)


def test_a_mixture_is_refused_with_the_lines_of_both_kinds(tmp_path: Path) -> None:
    path = write(tmp_path / "a", PREFERENCE, {"text": "a"}, OPENAI)
    with pytest.raises(DatasetError, match="line 2: this is text, and line 1 is prompt/chosen/rejected; a file holds"):
        read_rows(path)
    assert scan_rows(path).total == 1


def test_all_faults_are_told_up_to_fifty_and_the_good_rows_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"text": "a"}, *(["{"] * 70), {"text": "b"})
    with pytest.raises(DataProblemsError, match=r"line 2: .* \(69 more; `postil data check` lists them\)") as caught:
        read_rows(path)
    assert [problem.line for problem in caught.value.problems] == list(range(2, 52))
    assert caught.value.total == 70
    assert [row.line for row in scan_rows(path).file.rows] == [1, 72]


def test_what_is_no_file_of_rows_at_all_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no example; write one JSON object per line, as messages; input/"):
        scan_rows(write(tmp_path / "a"))
    with pytest.raises(DatasetError, match="cannot be read"):
        scan_rows(tmp_path)
