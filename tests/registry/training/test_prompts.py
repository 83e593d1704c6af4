"""Messages as tokens: what is computed once for all of them is what all of them begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postil.registry.errors import BaseModelError, DatasetError
from postil.registry.training.dataset import Example
from postil.registry.training.prompts import Coder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

pytestmark = pytest.mark.tune


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """One that reads ``:b`` as a single token, so that a message can change what stands before it."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    letters = [*map(chr, range(32, 127)), "<end>", ":b", "Ü", "症"]
    model = models.BPE(vocab={token: at for at, token in enumerate(letters)}, merges=[(":", "b")])
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), eos_token="<end>")
    made.chat_template = "{% for message in messages %}{{ message.role }}:{{ message.content }}{% endfor %}"
    return made


def example(message: str, label: str = "bill", instruction: str = "Sort.") -> Example:
    return Example(instruction, message, label, 1)


def text(tokenizer: PreTrainedTokenizerFast, ids: tuple[int, ...]) -> str:
    return "".join(tokenizer.convert_ids_to_tokens(list(ids)))


def test_the_shared_beginning_ends_where_messages_differ(tokenizer: PreTrainedTokenizerFast) -> None:
    coder = Coder(tokenizer, "category", [example("one"), example("other")])
    assert text(tokenizer, coder.shared) == "system:Sort.user:"
    assert text(tokenizer, tuple(coder.tail(example("other")))) == "other"


def test_without_an_instruction_there_is_no_turn_of_the_system(tokenizer: PreTrainedTokenizerFast) -> None:
    coder = Coder(tokenizer, "category", [example("one", instruction=""), example("two", instruction="")])
    assert text(tokenizer, coder.shared) == "user:"


def test_a_disturbed_message_that_changes_the_beginning_is_left_as_it_was(tokenizer: PreTrainedTokenizerFast) -> None:
    coder = Coder(tokenizer, "category", [example("one"), example("other")])
    assert text(tokenizer, tuple(coder.tail(example("one"), "two"))) == "two"
    assert text(tokenizer, tuple(coder.tail(example("one"), "by"))) == "one"


def test_what_all_answers_begin_with_is_not_asked_of_the_model(tokenizer: PreTrainedTokenizerFast) -> None:
    coder = Coder(tokenizer, "category", [example("one"), example("two", "billing")])
    assert text(tokenizer, coder.lead) == '{"category": "bill'
    bill, billing = coder.answers["bill"], coder.answers["billing"]
    assert text(tokenizer, bill.ids[: bill.end]) == '{"category": "bill"'
    assert text(tokenizer, billing.ids[billing.end :]) == "}<end>"


@pytest.mark.parametrize("label", ["Übel", "症"])
def test_a_label_of_another_alphabet_is_learned_as_it_is_written(
    tokenizer: PreTrainedTokenizerFast, label: str
) -> None:
    answer = Coder(tokenizer, "Kategorie", [example("one", label)]).answers[label]
    assert text(tokenizer, answer.ids[: answer.end]) == f'{{"Kategorie": "{label}"'


def test_a_template_without_a_system_message_is_refused_as_the_engine_would(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
        + "{% for message in messages %}{{ message.content }}{% endfor %}"
    )
    with pytest.raises(BaseModelError, match=r"takes no system message \(no system here\), .* take another base"):
        Coder(tokenizer, "category", [example("one"), example("two")])
    Coder(tokenizer, "category", [example("one", instruction=""), example("two", instruction="")])


def test_turns_that_a_template_does_not_take_are_named_by_their_line(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = (
        "{% for message in messages %}{% if message.role == 'assistant' %}{{ raise_exception('alternate') }}{% endif %}"
        + "{{ message.content }}{% endfor %}"
    )
    told = Example("Sort.", "one", "bill", 7, (("assistant", "Hello."),))
    with pytest.raises(DatasetError, match=r"^line 7: .* does not take these turns \(alternate\); change the history"):
        Coder(tokenizer, "category", [example("one"), told])
