"""What trains by a method, and what is refused."""

from __future__ import annotations

import pytest

from postil.registry.training.dispatch import METHODS, trainer
from postil.registry.training.errors import MethodError


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_function_for_each_way_of_tuning(method: str) -> None:
    assert all(callable(trainer(method, tune)) for tune in METHODS[method].tunes)


def test_a_method_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(MethodError, match=r"--method: postil does not train by 'clasify'; did you mean classify\?"):
        trainer("clasify", "lora")


def test_a_way_of_tuning_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(MethodError, match="--tune: postil does not tune by 'zzz' with --method classify; known are "):
        trainer("classify", "zzz")


def test_labels_are_learned_by_other_weights_with_another_method() -> None:
    with pytest.raises(MethodError, match="--method sft learns the same rows by dora"):
        trainer("classify", "dora")
