"""What a request costs the engine."""

from __future__ import annotations

from typing import Any

import pytest

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.cost import check_sequences, choices_per_prompt, cost
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.request import CompletionRequest


def asked(kind: Kind, body: dict[str, Any]) -> CompletionRequest:
    return CompletionRequest(kind, body, None, False, False)


@pytest.mark.parametrize(
    ("kind", "body", "sequences", "choices"),
    [
        (Kind.CHAT, {}, 1, None),
        (Kind.CHAT, {"n": 3}, 3, 3),
        (Kind.CHAT, {"n": 0}, 1, None),
        (Kind.CHAT, {"n": -5}, 1, None),
        (Kind.CHAT, {"n": None}, 1, None),
        (Kind.TEXT, {"prompt": ["a", "b"]}, 2, 1),
        (Kind.TEXT, {"prompt": ["a", "b"], "n": 3}, 6, 3),
        (Kind.TEXT, {"prompt": "a", "n": 2, "best_of": 5}, 5, 2),
        (Kind.TEXT, {"prompt": []}, 1, None),
    ],
)
def test_a_request_costs_its_prompts_times_its_choices(
    kind: Kind, body: dict[str, Any], sequences: int, choices: int | None
) -> None:
    assert cost(kind, body) == sequences
    assert choices_per_prompt(asked(kind, body)) == choices


@pytest.mark.parametrize("value", ["2", 2.0, True, [2]])
def test_a_number_that_an_engine_might_read_and_nobody_here_counts_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError, match="n has to be a whole number"):
        check_sequences(asked(Kind.CHAT, {"n": value}), 8)
