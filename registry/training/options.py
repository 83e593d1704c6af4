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
SampleShare = Annotated[float, Field(ge=0, le=1)]
# Names of TRL, transformers and PEFT for options that have a shorter one here; most others are spelt the same.
ALIASES: Mapping[str, str] = {
    "gradient_accumulation_steps": "accumulation",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "lora_r": "rank",
    "lora_target_modules": "targets",
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
    ``half`` stores float16: twice the rank in the same number of bytes. ``window`` is the engine's context in tokens:
    what does not fit it could never be asked, and is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    validation: Path
    base: Path
    out: Path
    base_id: str | None = None
    overwrite: bool = False
    device: Device = "auto"
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
    warmup: SampleShare = 0.06
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    noise: SampleShare = 0.0
    parts: Positive = 1
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
