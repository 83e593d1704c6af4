"""Options of a training run, and what TRL, transformers and PEFT call them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[int, Field(gt=0)]
# As vLLM and preflight have them.
Rank = Annotated[int, Field(gt=0, le=512)]
Alpha = Annotated[int, Field(gt=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
Schedule = Literal["cosine", "linear", "constant"]
# What transformers calls them; each begins with the warm-up.
SCHEDULES: Mapping[Schedule, str] = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
SampleShare = Annotated[float, Field(ge=0, le=1)]
# Names of TRL, transformers and PEFT for options that have a shorter one here; most others are spelt the same.
ALIASES: Mapping[str, str] = {
    "gradient_accumulation_steps": "accumulation",
    "early_stopping_patience": "patience",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "lora_r": "rank",
    "lora_target_modules": "targets",
    "lr_scheduler_type": "schedule",
    "model_name_or_path": "base",
    "num_train_epochs": "epochs",
    "output_dir": "out",
    "per_device_train_batch_size": "batch_size",
    "target_modules": "targets",
    "warmup_ratio": "warmup",
}


def own_name(name: str) -> str:
    """Return postil's name of an option, with underscores."""
    plain = name.replace("-", "_")
    return ALIASES.get(plain, plain)


class TrainOptions(BaseModel):
    """Files, adapter shape and training schedule; the defaults suit a small base on a CPU.

    ``method`` is what is learned and ``tune`` which weights learn it: ``dispatch`` knows those that there are.
    ``device`` auto selects a GPU if torch finds one. Equal seeds give equal adapters on the same kind of device.

    ``reject`` is a label for messages that fit no other; a policy names it as its output's ``reject``. Because the
    model can choose it, it gives the real labels little probability on such messages, which the ``confidence``
    validator detects. Layers below ``first_layer`` are not trained and run once per text instead of once per epoch.
    ``half`` stores float16: twice the rank in the same number of bytes. ``dtype`` is the base's in training; the
    adapter's weights are float32 there. ``patience`` ends training after so many validations without a better one.
    ``validation`` chooses the best state. ``calibration`` fits the confidence, and ``held_out`` gives the figures;
    without them ``validation`` does. ``window`` is the engine's context in tokens: what does not fit it could never be
    asked, and is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    validation: Path
    calibration: Path | None = None
    held_out: Path | None = None
    base: Path
    out: Path
    base_id: str | None = None
    overwrite: bool = False
    device: Device = "auto"
    dtype: Precision = "float32"
    reject: str | None = None
    window: Positive | None = None

    method: str = "classify"
    tune: str = "lora"
    rank: Rank = 8
    alpha: Alpha = 16
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    first_layer: Annotated[int, Field(ge=0)] = 0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    half: bool = False

    epochs: Rate = 3
    learning_rate: Rate = 2e-3
    batch_size: Positive = 8
    accumulation: Positive = 1
    schedule: Schedule = "cosine"
    warmup: SampleShare = 0.06
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    noise: SampleShare = 0.0
    parts: Positive = 1
    patience: Positive | None = None
    seed: Seed = 0

    @field_validator("targets", mode="before")
    @classmethod
    def _split(cls, targets: Any) -> Any:
        return tuple(targets.split(",")) if isinstance(targets, str) else targets

    @field_validator("targets")
    @classmethod
    def _strip(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        named = tuple(dict.fromkeys(name.strip() for name in targets if name.strip()))
        if not named:
            raise ValueError("name at least one module, such as q_proj")
        return named

    @property
    def base_name(self) -> str:
        """The id of the base in the adapter's config; never a local path."""
        return self.base_id or self.base.resolve().name
