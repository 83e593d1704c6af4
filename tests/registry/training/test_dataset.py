"""What may be learned from, and what is refused with which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.data.problems import DataProblemsError
from postil.registry.training.dataset import Dataset, check_apart, load


def line(message: str = "my knee hurts", label: str = "symptoms", **changes: object) -> str:
    values = {"instruction": "Sort.", "input": message, "output": json.dumps({"category": label})} | changes
    return json.dumps({key: value for key, value in values.items() if value is not None})


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_gives_its_examples_labels_and_field(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", line(), "", line("too dear", "billing"))
    dataset = load(path)
    assert [(one.message, one.label, one.line) for one in dataset.examples] == [
        ("my knee hurts", "symptoms", 1),
        ("too dear", "billing", 3),
    ]
    assert (dataset.field, dataset.labels) == ("category", ("billing", "symptoms"))
    assert dataset.digest.startswith("sha256:")


def test_the_digest_is_that_of_the_text(tmp_path: Path) -> None:
    first = load(write(tmp_path / "a.jsonl", line(), line("b", "billing")))
    same = load(write(tmp_path / "b.jsonl", line(), line("b", "billing")))
    other = load(write(tmp_path / "c.jsonl", line(), line("c", "billing")))
    assert first.digest == same.digest != other.digest


def test_an_answer_of_weight_0_is_not_learned_but_refused_with_its_line(tmp_path: Path) -> None:
    def asked(label: str, **more: object) -> list[dict[str, object]]:
        answer = {"role": "assistant", "content": json.dumps({"category": label}), **more}
        return [{"role": "user", "content": label}, answer]

    rows = [{"messages": asked("a", weight=1)}, {"messages": asked("b")}, {"messages": asked("c", weight=0)}]
    said = r"a.jsonl, line 3: the answer has weight 0, so it is not learned; take the weight out or delete the line"
    with pytest.raises(DatasetError, match=said):
        load(write(tmp_path / "a.jsonl", *map(json.dumps, rows)))
    parts = [asked("a"), asked("c", weight=0)]
    completions = [{"prompt": part[:1], "completion": part[1:]} for part in parts]
    with pytest.raises(DatasetError, match=r"b.jsonl, line 2: 'completion' has weight 0, so it is not learned"):
        load(write(tmp_path / "b.jsonl", *map(json.dumps, completions)))


def test_the_same_message_twice_with_one_label_is_allowed(tmp_path: Path) -> None:
    assert len(load(write(tmp_path / "a.jsonl", line(), line(), line("b", "billing"))).examples) == 3


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("{oops", "not a JSON object"),
        ("[1]", "not a JSON object"),
        (line(instruction=None), "'instruction' is missing"),
        (line(output=None), "'output' is missing"),
        (line(input=3), "'input' is not a text"),
        (line(message="  "), "input is empty"),
        (line(output="symptoms"), "not a JSON object of one field"),
        (line(output='{"category": "a", "b": "c"}'), "not a JSON object of one field"),
        (line(output='{"category": 3}'), "not a JSON object of one field"),
        (line(output='{"category": ""}'), "not a JSON object of one field"),
        (line(output='{"class": "a"}'), "earlier lines have 'category'"),
        (line("  Too   DEAR "), "'billing' in line 1"),
    ],
)
def test_a_bad_line_is_refused_with_file_line_and_remedy(tmp_path: Path, bad: str, complaint: str) -> None:
    path = write(tmp_path / "a.jsonl", line("too dear", "billing"), bad)
    with pytest.raises(DatasetError, match=complaint) as refusal:
        load(path)
    assert f"{path}, line 2: " in str(refusal.value)
    assert "; " in str(refusal.value)


def test_one_label_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only the label 'symptoms'"):
        load(write(tmp_path / "a.jsonl", line(), line("b")))


def test_an_empty_a_missing_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, complaint in [
        (write(tmp_path / "empty", ""), "no example"),
        (tmp_path / "missing", "cannot be read"),
        (tmp_path / "binary", "UTF-8"),
    ]:
        with pytest.raises(DatasetError, match=complaint):
            load(path)


def pair(tmp_path: Path, *validation: str) -> tuple[Dataset, Dataset]:
    training = write(tmp_path / "train.jsonl", line(), line("too dear", "billing"))
    return load(training), load(write(tmp_path / "validation.jsonl", *validation))


def test_other_messages_of_the_same_labels_are_a_fair_validation_set(tmp_path: Path) -> None:
    check_apart(*pair(tmp_path, line("my toe"), line("the invoice", "billing")))


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ((line("new"), line("TOO dear", "billing")), "validation.jsonl, line 2: .*train.jsonl, line 2"),
        ((line("new"), line("newer", "appointment")), "'appointment'"),
        (tuple(line(m, output=json.dumps({"class": m})) for m in "ab"), "use one field"),
    ],
)
def test_an_unfair_validation_set_is_refused(tmp_path: Path, lines: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        check_apart(*pair(tmp_path, *lines))


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85"])
def test_a_message_may_hold_what_other_readers_take_for_the_end_of_a_line(tmp_path: Path, odd: str) -> None:
    rows = [
        {"instruction": "Sort.", "input": f"knee{odd}hurts", "output": '{"category": "symptoms"}'},
        {"instruction": "Sort.", "input": "too dear", "output": '{"category": "billing"}'},
    ]
    path = write(tmp_path / "a.jsonl", *(json.dumps(row, ensure_ascii=False) for row in rows))
    assert [one.message for one in load(path).examples] == [f"knee{odd}hurts", "too dear"]


def test_a_file_with_a_byte_order_mark_or_windows_line_ends_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    text = f"{line()}\r\n{line('too dear', 'billing')}\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\xef\xbb\xbf" + line("and one more").encode())
    assert [one.line for one in load(path).examples] == [1, 2, 3]


def test_the_same_message_after_another_history_is_another_example(tmp_path: Path) -> None:
    before = [{"role": "user", "content": "money back"}, {"role": "assistant", "content": "all?"}]
    data = load(write(tmp_path / "a.jsonl", line("yes"), line("yes", "billing", history=before)))
    assert [example.history for example in data.examples] == [(), (("user", "money back"), ("assistant", "all?"))]


@pytest.mark.parametrize(
    "history",
    ["text", [1], [{"role": "user"}], [{"role": "king", "content": "x"}], [{"role": "user", "content": "\ud800"}]],
)
def test_a_history_that_is_none_is_refused_with_the_right_form(tmp_path: Path, history: object) -> None:
    with pytest.raises(DatasetError, match=r'line 1: the history is not a list of turns; write .* "assistant"'):
        load(write(tmp_path / "a.jsonl", line(history=history)))


@pytest.mark.parametrize("changes", [{"input": "half \ud83d"}, {"output": json.dumps({"category": "\ud83d"})}])
def test_halves_of_characters_are_refused_before_a_tokenizer_meets_them(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(DatasetError, match="line 1: "):
        load(write(tmp_path / "a.jsonl", line(**changes)))


TWINS = [("billing", "Billing"), ("billing", "billing "), ("\u00dcbelkeit", "U\u0308belkeit"), ("a b", "a\u00a0b")]


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_labels_that_people_take_for_one_are_refused(tmp_path: Path, one: str, other: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load(write(tmp_path / "a.jsonl", line("a", one), line("b", other)))
    assert f"line 2: the label {other!a} differs from {one!a} in line 1 only in case, blanks" in str(caught.value)


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_a_label_that_validation_spells_otherwise_is_called_a_twin(tmp_path: Path, one: str, other: str) -> None:
    training = load(write(tmp_path / "a.jsonl", line("a", one), line("b", "x")))
    validation = load(write(tmp_path / "b.jsonl", line("c", other), line("d", "x")))
    with pytest.raises(DatasetError) as caught:
        check_apart(training, validation)
    assert f"has the label {other!a} and {training.path} has {one!a}, which differ only" in str(caught.value)


def test_a_message_that_is_encoded_otherwise_is_the_same_message(tmp_path: Path) -> None:
    training = load(write(tmp_path / "a.jsonl", line("mir ist \u00fcbel", "a"), line("b", "b")))
    validation = load(write(tmp_path / "b.jsonl", line("mir ist u\u0308bel", "a"), line("d", "b")))
    with pytest.raises(DatasetError, match=r"line 1: the input also occurs in .*, line 1; take it out"):
        check_apart(training, validation)


ANSWER = {"role": "assistant", "content": '{"category": "billing"}'}


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": "too dear"}, ANSWER]},
        {
            "prompt": [{"role": "system", "content": "Sort."}, {"role": "user", "content": "too dear"}],
            "completion": [ANSWER],
        },
    ],
)
def test_other_forms_that_mean_the_same_give_the_same_example(tmp_path: Path, other: dict[str, object]) -> None:
    same = json.loads(line("too dear", "billing"))
    as_usual = load(write(tmp_path / "a.jsonl", line(), json.dumps(same)))
    second = json.dumps(other).replace("too dear", "my knee").replace("billing", "symptoms")
    in_other = load(write(tmp_path / "b.jsonl", second, json.dumps(other)))
    assert in_other.examples[1] == as_usual.examples[1]
    assert (in_other.field, in_other.labels) == (as_usual.field, as_usual.labels)


def test_a_text_prompt_is_the_message_and_has_no_instruction(tmp_path: Path) -> None:
    rows = [{"prompt": label, "completion": json.dumps({"category": label})} for label in "ab"]
    data = load(write(tmp_path / "a.jsonl", *map(json.dumps, rows)))
    assert [(one.instruction, one.message, one.history) for one in data.examples] == [("", "a", ()), ("", "b", ())]


def test_the_turns_before_the_message_are_its_history(tmp_path: Path) -> None:
    turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    rows = [{"messages": [*turns, ANSWER]}, {"messages": [turns[1], ANSWER | {"content": '{"category": "x"}'}]}]
    data = load(write(tmp_path / "a.jsonl", *map(json.dumps, rows)))
    assert data.examples[0].history == (("user", "user"), ("assistant", "assistant"))


def test_data_without_labels_is_refused_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds text, which has no labels; labels are learned from instruction/"):
        load(write(tmp_path / "a.jsonl", '{"text": "a"}'))


def test_an_answer_to_nobody_is_refused(tmp_path: Path) -> None:
    row = json.dumps({"messages": [{"role": "system", "content": "Sort."}, ANSWER]})
    with pytest.raises(DatasetError, match="line 1: the message before the answer is not the user's; end what"):
        load(write(tmp_path / "a.jsonl", row))


def test_all_faults_of_labels_are_told_in_the_order_of_their_lines(tmp_path: Path) -> None:
    lines = [line("a"), line("b", output="x"), line("a", "billing"), line("c", "Symptoms"), line("d", output="{}")]
    with pytest.raises(DataProblemsError, match=r"line 2: .* \(3 more; ") as caught:
        load(write(tmp_path / "a.jsonl", *lines))
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 5]
