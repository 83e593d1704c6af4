"""What a job asks of training: OpenAI's hyperparameters, and what only postil has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from postil.registry.base_model.model import BaseModel as Base
from postil.registry.jobs.methods import LABELS, PREFERENCES, Method
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.options import Alpha, Device, Rank, TrainOptions

Auto = Literal["auto"]
AUTO: Auto = "auto"
# Times this the multiplier is the highest learning rate.
LEARNING_RATES: Mapping[Method, float] = {"classify": 2e-3, "sft": 1e-3, "dpo": 2e-4}
BETA = 0.1
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TRAINING, VALIDATION, RESULT = "training.jsonl", "validation.jsonl", "result"


class JobOptions(BaseModel):
    """What was asked; ``auto`` is what postil finds right, as it is for a ``method`` of None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    method: Method | None = None
    n_epochs: Annotated[int, Field(ge=1, le=50)] | Auto = AUTO
    batch_size: Annotated[int, Field(ge=1, le=256)] | Auto = AUTO
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | Auto = AUTO
    beta: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] | Auto = AUTO
    reject: str | None = None
    lora_r: Rank = 8
    lora_alpha: Alpha | None = None
    targets: tuple[str, ...] | None = None
    policy: str | None = None
    note: str = ""


def train_options(
    asked: JobOptions, folder: Path, base: Base, *, method: Method, seed: int, window: int | None, device: Device
) -> TrainOptions:
    """What the trainer is told, for a job whose files are in ``folder``. Raises pydantic's ValidationError."""
    told = {
        "data": folder / TRAINING,
        "validation": folder / VALIDATION,
        "base": base.path.resolve(),
        "base_id": base.id,
        "out": folder / RESULT,
        "device": device,
        "window": window,
        "method": method,
        "rank": asked.lora_r,
        "alpha": asked.lora_alpha or 2 * asked.lora_r,
        "targets": asked.targets or _targets_of(base),
        "epochs": 3 if asked.n_epochs == AUTO else asked.n_epochs,
        "batch_size": 8 if asked.batch_size == AUTO else asked.batch_size,
        "learning_rate": LEARNING_RATES[method]
        * (1.0 if asked.learning_rate_multiplier == AUTO else asked.learning_rate_multiplier),
        "seed": seed,
    }
    if method == LABELS:
        return TrainOptions.model_validate(told | {"reject": asked.reject})
    if method == PREFERENCES:
        told["beta"] = BETA if asked.beta == AUTO else asked.beta
    return MethodOptions.model_validate(told)


def _targets_of(base: Base) -> tuple[str, ...]:
    """The usual linear layers that a base has; where it has none of them, all of their names, to be refused by name."""
    kinds = {name.rpartition(".")[2] for name in base.modules}
    return tuple(target for target in TARGETS if target in kinds) or TARGETS
