"""Which tokens are learned."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.data.rows import Turn
from postil.registry.training.methods.encoding import Encoder
from postil.registry.training.methods.samples import Chat, Plain
from postil.registry.training.methods.shown import shown

TURNS = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d"))


def test_of_a_conversation_the_assistants_turns_are_learned_and_nothing_else(letters: Any) -> None:
    row = Encoder(letters).chat(Chat(TURNS, 1))
    assert next(shown(letters, [row])) == "<user>a⊙<assistant>⟦b⊙⟧<user>c⊙<assistant>⟦d⊙⟧"
    assert [token for token in row.labels if token != -100] == list(row.answer)


def test_an_answer_of_no_weight_is_read_and_not_learned(letters: Any) -> None:
    turns = (TURNS[0], Turn("assistant", "b", trained=False), *TURNS[2:])
    [text] = shown(letters, [Encoder(letters).chat(Chat(turns, 1))])
    assert text == "<user>a⊙<assistant>b⊙<user>c⊙<assistant>⟦d⊙⟧"


def test_a_row_without_a_learned_token_is_refused(letters: Any) -> None:
    with pytest.raises(DatasetError, match="line 3: no answer of an assistant is in it"):
        Encoder(letters).chat(Chat(TURNS[:1], 3))
    with pytest.raises(DatasetError, match="line 4: the text is too short"):
        Encoder(letters).plain(Plain("a", 4))


def test_a_template_that_leaves_out_earlier_answers_is_told_from_one_that_can_be_learned(forgetful: Any) -> None:
    assert Encoder(forgetful).chat(Chat(TURNS[:2], 1)).answer
    with pytest.raises(DatasetError, match="line 1: the base's chat template leaves out what was said before"):
        Encoder(forgetful).chat(Chat(TURNS, 1))
