"""Lists of choices."""

from __future__ import annotations

import pytest

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.choices import check_choices


@pytest.mark.parametrize("choices", [[], "yes", [1], ["x"] * 1001, ["x" * 40_000], None])
def test_choices_that_cannot_be_or_are_too_many_are_refused(choices: object) -> None:
    with pytest.raises(GrammarError):
        check_choices(choices)


def test_some_choices_are_let_in() -> None:
    check_choices(["yes", "no"])
