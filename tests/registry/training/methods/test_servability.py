"""What is said before the first step."""

from __future__ import annotations

import pytest

from postil.registry.training.errors import MethodError
from postil.registry.training.methods.servability import SERVABILITY, TUNES, check_servable, servability

EXACT = {"lora", "rslora", "bottleneck"}
CONVERTED = {"dora", "full"}


@pytest.mark.parametrize("tune", TUNES)
def test_every_way_of_tuning_is_exact_converted_or_refused(tune: str) -> None:
    expected = "exact" if tune in EXACT else "converted" if tune in CONVERTED else "refused"
    assert servability(tune).way == expected


@pytest.mark.parametrize("tune", [tune for tune, found in SERVABILITY.items() if found.way == "refused"])
def test_what_cannot_be_served_is_refused_with_another_way_unless_it_is_only_measured(tune: str) -> None:
    with pytest.raises(MethodError, match="take --tune lora"):
        check_servable("sft", tune)
    assert check_servable("sft", tune, measure_only=True).way == "refused"


def test_preferences_need_a_way_of_tuning_that_can_be_left_out() -> None:
    assert check_servable("dpo", "rslora").way == "exact"
    with pytest.raises(MethodError, match="--method kto takes --tune lora or rslora"):
        check_servable("kto", "full")


def test_names_that_there_are_not_are_refused_with_those_there_are() -> None:
    with pytest.raises(MethodError, match="does not tune by 'qlora'; it does by lora, rslora"):
        servability("qlora")
    with pytest.raises(MethodError, match="does not train by 'grpo'; it does by sft, text, dpo, kto"):
        check_servable("grpo", "lora")
