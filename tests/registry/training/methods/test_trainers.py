"""What the trainers compute their loss on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.methods.encoding import Encoded
from postil.registry.training.methods.options import MethodOptions

pytestmark = pytest.mark.tune
ROWS = [Encoded((5, 6, 7, 0), (False, True, False, True), 1), Encoded((8, 9), (False, True), 2)]


def made(base: Path, rows: list[Any], **changes: Any) -> Any:
    from postil.registry.training.methods.trainers import trainer
    from postil.registry.training.methods.tunes import adapt
    from postil.registry.training.model import load_base

    files = {"data": base, "validation": base, "base": base, "out": base / "out"}
    options = MethodOptions.model_validate({**files, "targets": ("q_proj",), **changes})
    model, tokenizer = load_base(base, 0)
    return trainer(adapt(model, options), tokenizer, rows, rows, options, base / "scratch", [])


def test_the_tokens_of_the_loss_are_those_of_the_answers_and_the_end_of_turn_is_among_them(tiny_base: Path) -> None:
    from postil.registry.training.methods.trainers import sft_row

    [batch] = made(tiny_base, [sft_row(row) for row in ROWS]).get_train_dataloader()
    learned = sorted(tuple(token for token in row if token != -100) for row in batch["labels"].tolist())
    assert learned == sorted(row.answer for row in ROWS) == [(6, 0), (9,)]


def test_kto_estimates_by_the_answer_of_a_neighbour_in_the_batch(tiny_base: Path) -> None:
    from postil.registry.training.methods.trainers import kto_row

    rows = [kto_row(Encoded((1, n), (False, True), n), good=bool(n % 2)) for n in range(10, 15)]
    dataset = made(tiny_base, rows, method="kto", batch_size=2).train_dataset
    own, others = ([token for [token] in dataset[name]] for name in ("completion_ids", "KL_completion_ids"))
    assert others == [own[1], own[0], own[3], own[2], own[4]]


def test_a_constant_rate_warms_up_as_in_the_fast_path(tiny_base: Path) -> None:
    from postil.registry.training.methods.trainers import sft_row

    rows = [sft_row(row) for row in ROWS]
    arguments = made(tiny_base, rows, schedule="constant", warmup=0.5).args
    assert (arguments.lr_scheduler_type, arguments.warmup_steps) == ("constant_with_warmup", 0.5)
