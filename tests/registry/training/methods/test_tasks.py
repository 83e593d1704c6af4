"""Labels are told from free answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from postil.registry.training.data.rows import Turn
from postil.registry.training.methods.samples import Chat, Plain
from postil.registry.training.methods.tasks import read_task


def chats(answers: Sequence[str], told: str | None = "Sort.") -> list[Chat]:
    before = (Turn("system", told),) if told else ()
    return [Chat((*before, Turn("user", "x"), Turn("assistant", answer)), 1) for answer in answers]


def test_few_answers_of_one_json_field_are_labels() -> None:
    task = read_task(chats(['{"kind": "a"}', '{"kind": "b"}'] * 3), chats(['{"kind": "a"}']))
    assert (task.field, task.labels, task.instruction) == ("kind", ("a", "b"), "Sort.")


@pytest.mark.parametrize("answer", ["no", "[1]", '{"kind": 1}', '{"kind": "a", "more": "b"}', "{"])
def test_few_answers_of_another_form_are_a_choice_without_a_field(answer: str) -> None:
    task = read_task(chats(['{"kind": "a"}', answer] * 3, told=None), [])
    assert task.field is None
    assert len(task.answers) == 2
    assert task.instruction == ""


def test_free_answers_and_several_a_row_and_texts_are_no_labels() -> None:
    assert read_task(chats(["a", "b", "c"]), []).answers == ()
    twice = [Chat((Turn("user", "x"), Turn("assistant", "a"), Turn("user", "y"), Turn("assistant", "a")), 1)] * 6
    assert read_task(twice, []).answers == ()
    assert read_task([Plain("abc", 1)], []).instruction is None


def test_rows_of_different_instructions_have_none_in_common() -> None:
    assert read_task([*chats(["a"]), *chats(["a"], told="Greet.")], []).instruction is None
