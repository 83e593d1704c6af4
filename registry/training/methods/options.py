"""Options of the methods beside the fast path: what it has, and what only they need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from postil.registry.training.options import Positive, Rank, Rate, TrainOptions

ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# The highest learning rates that suit a small base; LoRA wants some ten times that of full tuning.
_RATES = {"full": 2e-4, "prompt": 2e-2, "prefix": 1e-2, "ia3": 1e-2, "bitfit": 5e-3, "bottleneck": 5e-3}
_PREFERENCE_RATE, _LORA_RATE = 2e-4, 1e-3


class MethodOptions(TrainOptions):
    """Options of ``sft``, ``text``, ``dpo`` and ``kto``.

    ``beta`` holds DPO and KTO near their reference; ``sft_weight`` weighs the loss that keeps DPO's better answer
    likely. ``start`` is an adapter to go on from, which is then the reference too. ``convert_rank`` is the rank of the
    LoRA that DoRA or full fine-tuning becomes. ``patience`` ends training after so many looks at the validation rows
    that brought nothing; the best state is kept in any case. ``eval_steps`` looks that often, in place of ``parts`` per
    epoch. ``measure_only`` trains what cannot be served, and writes no adapter. ``max_steps`` ends training early;
    ``save_steps`` writes a checkpoint that often, in place of at each look.
    """

    method: str = "sft"
    tune: str = "lora"
    targets: tuple[str, ...] = ALL_LINEAR
    max_steps: Positive | None = None
    eval_steps: Positive | None = None
    save_steps: Positive | None = None
    start: Path | None = None
    beta: Rate = 0.1
    sft_weight: Weight = 0.2
    convert_rank: Rank = 16
    virtual_tokens: Positive = 14
    measure_only: bool = False

    @field_validator("reject", "noise", "first_layer", "calibration", "dtype")
    @classmethod
    def _refuse(cls, value: Any) -> Any:
        """Refuse what only the fast path does, rather than leave it undone; called for what is given."""
        raise ValueError("only --method classify does this; leave it out")

    @property
    def highest_rate(self) -> float:
        """The learning rate that was asked for, or the one that suits the way of tuning."""
        if "learning_rate" in self.model_fields_set:
            return self.learning_rate
        return _PREFERENCE_RATE if self.method in ("dpo", "kto") else _RATES.get(self.tune, _LORA_RATE)
