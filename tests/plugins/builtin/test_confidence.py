from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins import Completion, ConfigError, RequestContext, Token
from postil.plugins.builtin.confidence import Confidence, label_probability

TEXT = '{"category": "symptoms"}'
START = TEXT.index("symptoms")
END = START + len('symptoms"')


def completion(*tokens: tuple[str, float]) -> Completion:
    """A completion of ``(text, probability)`` tokens."""
    made = [Token(text, math.log(probability)) for text, probability in tokens]
    return Completion("".join(token.text for token in made), tokens=made)


def confidence(minimum: float = 0.5, field: str = "category") -> Confidence:
    made: Confidence = Confidence.from_mapping({"minimum": minimum, "field": field})
    return made


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[tuple[str, float]]:
    """``text`` in tokens of any length, each with some probability."""
    places = draw(st.sets(st.integers(1, len(text) - 1)))
    edges = [0, *sorted(places), len(text)]
    probabilities = st.floats(0.01, 1)
    return [(text[a:b], draw(probabilities)) for a, b in itertools.pairwise(edges)]


def spelled(tokens: list[tuple[str, float]], start: int, end: int) -> float:
    """The law, told another way: each character asks its token, and each token counts once."""
    owner = [number for number, (text, _) in enumerate(tokens) for _ in text]
    return math.prod(tokens[number][1] for number in sorted(set(owner[start:end])))


@given(cut(TEXT))
@settings(deadline=None, max_examples=200)
def test_the_probability_is_the_product_over_the_tokens_that_spell_the_label(
    tokens: list[tuple[str, float]],
) -> None:
    found = label_probability(completion(*tokens))
    assert found == pytest.approx(spelled(tokens, START, END))


@given(st.text(min_size=1, max_size=12), st.booleans(), st.data())
@settings(deadline=None, max_examples=100)
def test_it_is_measured_whatever_the_label_is_and_however_it_is_escaped(
    label: str, plain: bool, data: st.DataObject
) -> None:
    text = json.dumps({"category": label}, ensure_ascii=plain)
    start = text.index(": ") + 3
    tokens = data.draw(cut(text))
    found = label_probability(completion(*tokens))
    assert found == pytest.approx(spelled(tokens, start, len(text) - 1))


def test_a_label_spelled_like_its_field_is_not_mistaken_for_it() -> None:
    answer = completion(('{"', 1), ("category", 0.1), ('": "', 1), ("category", 0.7), ('"}', 1))
    assert label_probability(answer) == pytest.approx(0.7)


def test_the_same_value_under_another_key_is_not_measured() -> None:
    answer = completion(('{"category": "', 1), ("card", 0.6), ('", "again": "', 1), ("card", 0.2), ('"}', 1))
    assert label_probability(answer) == pytest.approx(0.6)


def test_tokens_without_text_do_not_disturb() -> None:
    answer = completion(("", 0.1), ('{"category": "', 0.2), ("card", 0.8), ('"}', 0.3), ("", 0.1))
    assert label_probability(answer) == pytest.approx(0.8 * 0.3)


def test_where_one_label_begins_another_the_quote_that_ends_it_counts() -> None:
    answer = completion(('{"category": "', 1), ("bill", 1), ('"}', 0.4))
    assert label_probability(answer) == pytest.approx(0.4)


@pytest.mark.parametrize(
    "text",
    ["", "symptoms", "[]", '{"other": "x"}', '{"category": 3}', '{"category": ""}', '{"category": null}', "3"],
)
def test_an_answer_without_a_label_has_no_probability(text: str) -> None:
    assert label_probability(Completion(text, tokens=[Token(text, 0.0)])) is None


def test_an_answer_without_tokens_has_no_probability() -> None:
    assert label_probability(Completion(TEXT)) is None


@pytest.mark.parametrize(("minimum", "ok"), [(0.49, True), (0.5, True), (0.51, False)])
def test_the_minimum_itself_passes(context: RequestContext, minimum: float, ok: bool) -> None:
    answer = completion(('{"category": "', 1), ("card", 0.5), ('"}', 1))
    assert confidence(minimum).judge(context, answer).ok is ok


def test_the_reason_says_both_numbers(context: RequestContext) -> None:
    answer = completion(('{"category": "', 1), ("card", 0.314), ('"}', 1))
    assert confidence().judge(context, answer).reason == "probability 0.31 is below 0.50"


def test_a_temperature_above_one_takes_confidence_away_before_it_is_compared(context: RequestContext) -> None:
    answer = completion(('{"category": "', 1), ("symptoms", 0.9), ('"}', 1))
    assert Confidence.from_mapping({"minimum": 0.8}).judge(context, answer).ok
    verdict = Confidence.from_mapping({"minimum": 0.8, "temperature": 2}).judge(context, answer)
    assert verdict.reason == "probability 0.75 is below 0.80"  # The odds of 9 to 1 become 3 to 1.


def test_what_cannot_be_measured_fails(context: RequestContext) -> None:
    verdict = confidence(0).judge(context, Completion(TEXT))
    assert not verdict.ok
    assert verdict.reason == "the probability of the label cannot be read"


def test_another_field_can_be_named(context: RequestContext) -> None:
    answer = completion(('{"intent": "', 1), ("card", 0.9), ('"}', 1))
    assert confidence(field="intent").judge(context, answer).ok
    assert not confidence().judge(context, answer).ok


def test_it_asks_for_tokens() -> None:
    assert Confidence.needs_tokens


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"minimum": 1.5}, "confidence: minimum: input should be less than or equal to 1"),
        ({"minimum": -1}, "confidence: minimum: input should be greater than or equal to 0"),
        ({"temperature": 0}, "confidence: temperature: input should be greater than or equal to 0.05"),
        ({"minimum": "much"}, "confidence: minimum: input should be a valid number, unable to parse string"),
        ({"least": 0.5}, "confidence: there is no option least; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Confidence.from_mapping(config)
    assert str(caught.value).startswith(sentence)


def test_an_answer_that_rejects_every_label_is_not_sure_of_one(context: RequestContext) -> None:
    text = '{"category": "needs_review"}'
    confidence = Confidence.from_mapping({"reject": "needs_review"})
    verdict = confidence.judge(context, Completion(text, tokens=[Token(text, -0.01)]))
    assert verdict.reason == "needs_review has more probability (0.99) than any label"


def test_a_label_that_cannot_be_told_from_its_surroundings_has_no_probability(context: RequestContext) -> None:
    text = '{"a": ["x", ":"], "category": "card"}'
    verdict = Confidence.from_mapping({}).judge(context, Completion(text, tokens=[Token(text, -0.01)]))
    assert verdict.reason == "the probability of the label cannot be read"


def test_the_first_tokens_of_a_character_of_several_count_though_they_have_no_text() -> None:
    answer = completion(
        ('{"category": "', 1), ("", 0.5), ("", 0.9), ("症", 0.8), ("状", 1), ("", 0.7), ('"}', 1), ("", 0.1)
    )
    assert label_probability(answer) == pytest.approx(0.5 * 0.9 * 0.8 * 0.7)


def test_what_comes_before_a_label_does_not_count_where_a_character_of_it_takes_several_tokens() -> None:
    answer = completion(("", 0.5), ('{"Kategorie ä": "', 0.9), ("Ü", 0.8), ('"}', 1))
    assert label_probability(answer, "Kategorie ä") == pytest.approx(0.8)
