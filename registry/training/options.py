"""What a training run is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Device = Literal["auto", "cpu", "cuda"]
SampleShare = Annotated[float, Field(ge=0, le=1)]


class TrainOptions(BaseModel):
    """Files, shape of the adapter, and the course of training; the defaults suit a small base on a CPU.

    ``device`` is where: a GPU if torch sees one, unless it says otherwise. Equal seeds give equal adapters on one kind.

    ``reject`` is a label for what belongs to no other; a policy names it as its output's ``reject``. Having
    somewhere else to go, the model gives the real labels little probability on such messages, which the
    ``confidence`` validator then sees. Layers below ``first_layer`` stay as they are and
    are run once per text instead of once per epoch. ``half`` stores float16: twice the rank in the same bytes.
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

    rank: Positive = 8
    alpha: Positive = 16
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    first_layer: Annotated[int, Field(ge=0)] = 0
    dropout: SampleShare = 0.0
    half: bool = False

    epochs: Annotated[float, Field(gt=0)] = 3
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    batch_size: Positive = 8
    warmup: SampleShare = 0.06
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    noise: SampleShare = 0.0
    parts: Positive = 1
    seed: int = 0

    @property
    def base_name(self) -> str:
        """What the adapter names as its base: an id, never a path of this machine."""
        return self.base_id or self.base.resolve().name
