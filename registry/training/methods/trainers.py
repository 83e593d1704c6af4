"""TRL's trainers over rows that are token ids already. Imports torch, so only training imports it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from postil.registry.training.checkpoints import KEPT
from postil.registry.training.methods.best import load_trained, save_trained
from postil.registry.training.methods.encoding import Encoded, EncodedPair
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.options import SCHEDULES

Row = Mapping[str, Any]


_WEIGHTS = "trained.safetensors"


class _Own:
    """What all trainers do in another way than TRL's.

    A checkpoint holds what is trained and nothing else. TRL puts a frozen "ref" adapter beside the one that DPO and KTO
    train, and of two adapters transformers loads the frozen one only.
    """

    def _send_telemetry(self) -> None:
        """Tell nobody."""

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Return the batches of one step; count the tokens that are learned, in what a checkpoint holds as well."""
        above: Any = super()
        own: Any = self
        batches, items = above.get_batch_samples(epoch_iterator, num_batches, device)
        own.state.num_input_tokens_seen += sum(_learned(batch) for batch in batches)
        return batches, items

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        own: Any = self
        folder = Path(output_dir or own.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_trained(own.model, folder / _WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        own: Any = self
        load_trained(own.model, Path(resume_from_checkpoint) / _WEIGHTS)


def _learned(batch: Mapping[str, Any]) -> int:
    if "labels" in batch:
        return int((batch["labels"] != -100).sum())
    return int(batch["completion_mask"].sum())


class _Sft(_Own, SFTTrainer):
    """Takes rows as they are."""


class _Dpo(_Own, DPOTrainer):
    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        """Leave rows as they are: they were encoded as the engine will code them."""
        return dataset


class _Kto(_Own, KTOTrainer):
    def _prepare_dataset(self, dataset: Dataset, _: Any, args: KTOConfig, *__: Any) -> Dataset:
        """Leave rows as they are; each gets the answer of its neighbour in the batch, by which KTO estimates the KL."""
        size, answers = args.per_device_train_batch_size, dataset["completion_ids"]
        others = [_neighbour(answers, place, size) for place in range(len(answers))]
        return dataset.add_column("KL_completion_ids", others)


def _neighbour(answers: Sequence[list[int]], place: int, size: int) -> list[int]:
    first = place - place % size
    return answers[place - 1 if place > first else min(first + size, len(answers)) - 1]


def sft_row(row: Encoded) -> Row:
    """Return a row of SFTTrainer."""
    return {"input_ids": list(row.ids), "labels": row.labels}


def dpo_row(row: EncodedPair) -> Row:
    """Return a row of DPOTrainer."""
    better, worse = row.chosen, row.rejected
    return {
        "prompt_ids": list(better.ids[: better.start]),
        "chosen_ids": list(better.ids[better.start :]),
        "rejected_ids": list(worse.ids[worse.start :]),
    }


def kto_row(row: Encoded, *, good: bool) -> Row:
    """Return a row of KTOTrainer."""
    return {
        "prompt_ids": list(row.ids[: row.start]),
        "completion_ids": list(row.ids[row.start :]),
        "label": good,
    }


def trainer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    options: MethodOptions,
    scratch: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Return TRL's trainer for the method of ``options``, quiet and with its checkpoints in ``scratch``.

    Rows are mixed once here, because KTO takes them in their order.
    """
    kind, config, more = _KINDS[options.method]
    own = more(options)
    made = kind(
        model=model,
        args=config(**_arguments(options, model, scratch, len(rows)), **own),
        train_dataset=Dataset.from_list(random.Random(options.seed).sample(rows, len(rows))),
        eval_dataset=Dataset.from_list(list(held_out)),
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )
    made.remove_callback(ProgressCallback)
    made.remove_callback(PrinterCallback)
    return made


def looks_every(options: MethodOptions, rows: int) -> int:
    """Return the number of steps between two looks at the held-out rows."""
    epoch = max(1, -(-rows // (options.batch_size * options.accumulation)))
    steps = min(epoch, options.max_steps) if options.max_steps else epoch
    return options.eval_steps or max(1, steps // options.parts)


def _arguments(options: MethodOptions, model: Any, scratch: Path, rows: int) -> dict[str, Any]:
    on_cpu = model.device.type == "cpu"
    return {
        "output_dir": str(scratch),
        "num_train_epochs": options.epochs,
        "max_steps": options.max_steps or -1,
        "per_device_train_batch_size": options.batch_size,
        "per_device_eval_batch_size": options.batch_size,
        "gradient_accumulation_steps": options.accumulation,
        "learning_rate": options.highest_rate,
        "lr_scheduler_type": SCHEDULES[options.schedule],
        "warmup_steps": options.warmup,
        "weight_decay": options.weight_decay,
        "max_grad_norm": 1.0,
        "seed": options.seed,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": looks_every(options, rows),
        # Checkpoints are asked for by ``Best``.
        "save_strategy": "no",
        "save_total_limit": KEPT,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "report_to": "none",
        "disable_tqdm": True,
        # TRL's defaults are for a GPU.
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": False,
        # Rows are checked against the window before: none is ever cut.
        "max_length": None,
    }


_KINDS: Mapping[str, tuple[Any, Any, Any]] = {
    "sft": (_Sft, SFTConfig, lambda options: {"dataset_kwargs": {"skip_prepare_dataset": True}}),
    "text": (_Sft, SFTConfig, lambda options: {"dataset_kwargs": {"skip_prepare_dataset": True}}),
    "dpo": (
        _Dpo,
        DPOConfig,
        lambda options: {
            "beta": options.beta,
            "loss_type": ["sigmoid", "sft"],
            "loss_weights": [1.0, options.sft_weight],
        },
    ),
    "kto": (_Kto, KTOConfig, lambda options: {"beta": options.beta}),
}
