from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import ConfigError, RoutingRequest
from postil.plugins.builtin.keywords import Keywords

WORDS = {
    "healthcare": ["pain", "fever", "chest pain", "Übelkeit"],
    "legal/clause": ["contract", "clause", "lease", "pain"],
    "finance": ["card", "refund"],
}


def route(*texts: str, domains: tuple[str, ...] = ("healthcare", "legal", "finance"), **config: Any) -> str | None:
    request = {"messages": [{"role": "user", "content": text} for text in texts]}
    chosen = Keywords.from_mapping({"words": WORDS, **config}).route(RoutingRequest("clinic", domains, request))
    assert chosen is None or isinstance(chosen, str)
    return chosen


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("I have a FEVER", "healthcare"),
        ("ubelkeit!", "healthcare"),
        ("chest  pain", "healthcare"),
        ("does the lease have a clause", "legal/clause"),
        ("card? refund? fever?", "finance"),
        ("my card, my card, my card and a fever and a chest pain", "healthcare"),
    ],
)
def test_the_domain_with_the_most_different_words_is_chosen(text: str, model: str) -> None:
    assert route(text) == model


@pytest.mark.parametrize("text", ["hello", "", "pain", "fever about my card", "discard the painting"])
def test_nothing_is_chosen_where_it_is_unsure(text: str) -> None:
    assert route(text) is None


def test_a_domain_that_the_tenant_may_not_use_is_not_chosen() -> None:
    assert route("fever", domains=("finance",)) is None
    assert route("pain", domains=("legal",)) == "legal/clause"
    assert route("fever, card", domains=("finance",)) == "finance"


def test_the_whole_conversation_counts() -> None:
    assert route("I have a fever", "and what now?") == "healthcare"


def test_a_margin_can_be_asked_for() -> None:
    assert route("fever", margin=2) is None
    assert route("chest pain", margin=2) is None
    assert route("chest pain and fever", margin=2) == "healthcare"


def test_a_prompt_is_read_too() -> None:
    assert (
        Keywords.from_mapping({"words": WORDS}).route(RoutingRequest("t", ("finance",), {"prompt": "refund"}))
        == "finance"
    )


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "keywords: words: field required"),
        ({"words": {}}, "keywords: words: dictionary should have at least 1 item after validation, not 0"),
        ({"words": {"legal": []}}, "keywords: words.legal: tuple should have at least 1 item after validation, not 0"),
        ({"words": {"Legal!": ["a"]}}, "keywords: words: 'Legal!' is neither a domain nor an adapter; write legal, or"),
        ({"words": {"legal": ["--"]}}, "keywords: a word of legal has no letter and no digit; leave it out"),
        ({"words": {"legal": ["a"]}, "margin": 0}, "keywords: margin: input should be greater than or equal to 1"),
        ({"words": {"legal": ["a"]}, "default": "x"}, "keywords: there is no option default; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Keywords.from_mapping(config)
    assert str(caught.value).startswith(sentence)
