"""What a job's options mean for the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from postil.registry.base_model.model import BaseModel
from postil.registry.jobs.methods import Method
from postil.registry.jobs.options import TARGETS, JobOptions, train_options
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.used import check_used


def test_what_is_auto_is_chosen_and_the_rest_is_taken(base: BaseModel, tmp_path: Path) -> None:
    chosen = train_options(JobOptions(), tmp_path, base, method="classify", seed=3, window=64, device="cpu")
    assert (chosen.epochs, chosen.batch_size, chosen.learning_rate, chosen.rank, chosen.alpha) == (3, 8, 2e-3, 8, 16)
    assert set(chosen.targets) <= set(TARGETS)
    assert chosen.targets
    assert (chosen.base_name, chosen.seed, chosen.window, chosen.out) == (base.id, 3, 64, tmp_path / "result")
    asked = JobOptions(
        n_epochs=1, batch_size=2, learning_rate_multiplier=0.5, lora_r=4, lora_alpha=4, targets=("q_proj",), reject="x"
    )
    taken = train_options(asked, tmp_path, base, method="classify", seed=3, window=None, device="cpu")
    assert (taken.epochs, taken.batch_size, taken.learning_rate, taken.rank, taken.alpha) == (1, 2, 1e-3, 4, 4)
    assert (taken.targets, taken.reject) == (("q_proj",), "x")


def test_a_base_without_the_usual_layers_has_its_jobs_refused_by_their_names(tmp_path: Path) -> None:
    other = BaseModel("other", tmp_path, "sha256:1", {"model.layers.0.attn.c_attn": (4, 4)})
    told = train_options(JobOptions(), tmp_path, other, method="classify", seed=3, window=None, device="cpu")
    assert told.targets == TARGETS


def test_other_methods_have_rates_of_their_own_and_preferences_a_beta(base: BaseModel, tmp_path: Path) -> None:
    asked = JobOptions(learning_rate_multiplier=2.0, beta=0.3)

    def told(method: Method, asked: JobOptions) -> MethodOptions:
        found = train_options(asked, tmp_path, base, method=method, seed=3, window=64, device="cpu")
        assert isinstance(found, MethodOptions)
        check_used(found)
        assert found.window == 64
        return found

    assert (told("sft", asked).method, told("sft", asked).highest_rate) == ("sft", 2e-3)
    assert (told("dpo", asked).beta, told("dpo", asked).highest_rate) == (0.3, 4e-4)
    assert told("dpo", JobOptions()).beta == 0.1


@pytest.mark.parametrize(
    "wrong", [{"n_epochs": 0}, {"batch_size": 1000}, {"learning_rate_multiplier": 0}, {"lora_r": 0}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        JobOptions.model_validate(wrong)
