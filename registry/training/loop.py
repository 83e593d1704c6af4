"""The training loop: transformers' Trainer over a PEFT model. Imports torch, so only training imports it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainingArguments

from postil.registry.training.batches import TRAINING, batches, is_long
from postil.registry.training.checkpoints import KEPT, TRAINER
from postil.registry.training.dataset import Example
from postil.registry.training.forward import Lower, head, run, run_whole, sparing
from postil.registry.training.looks import Looks, weights
from postil.registry.training.options import SCHEDULES, TrainOptions
from postil.registry.training.prompts import Coder
from postil.registry.training.rows import Order, Rows, collect


def adapt(model: Any, options: TrainOptions) -> PeftModel:
    """Add a new LoRA in float32 to ``model``; its config names the base by id."""
    layers = range(options.first_layer, model.config.num_hidden_layers)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(options.targets),
        layers_to_transform=list(layers) if options.first_layer else None,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    # peft stores the folder's path here, but the adapter is used on other machines.
    adapted.peft_config["default"].base_model_name_or_path = options.base_name
    return adapted


_WEIGHTS = "adapter.safetensors"


class AnswerTrainer(Trainer):
    """A Trainer whose loss covers only the answer, with the shared prefix computed once per batch.

    The loss is the mean over all answer tokens of a step, however many batches it accumulates. A batch that would take
    too much memory is computed in parts, whose gradients add up to the same.
    """

    def __init__(self, lower: Lower, order: Order, **settings: Any) -> None:
        super().__init__(data_collator=collect, **settings)
        # The loss is divided by the tokens of the whole step already.
        self.loss_is_scaled_for_ga = True
        self._lower, self._order = lower, order

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return self._order

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], int]:
        """Return the batches of one step, and the number of their answers' tokens."""
        samples, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        return samples, sum(sum(batch["lengths"]) for batch in samples)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Compute the gradients of one batch, and return its share of the step's loss."""
        rows, lengths = inputs["rows"], inputs["lengths"]
        # Here, because layers that are not trained are computed with a cache, which long rows have none of.
        states = self._lower.states(rows, inputs["lasting"])
        losses = []
        for part in batches([len(row) for row in rows], len(self._lower.shared), TRAINING, len(rows)):
            long = self._is_long(rows[part[0]])
            chosen = {
                "rows": [rows[place] for place in part],
                "lengths": [lengths[place] for place in part],
                "states": [states[place] for place in part],
            }
            with sparing(model.get_decoder(), gradients=True) if long else nullcontext():
                losses.append(super().training_step(model, chosen, num_items_in_batch))
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return a part's negative log-likelihood of its answers' tokens, divided by the step's number of them."""
        rows, lengths, states = inputs["rows"], inputs["lengths"], inputs["states"]
        with self._lower.upper() as body:
            if self._is_long(rows[0]):
                seen = run_whole(body, self._lower.shared, states[0])
            else:
                seen = run(body, self._lower.shared, states).states
        # Each position predicts the next token. Answers end together, and the last position predicts nothing.
        before = [row[-n - 1 : -1] for row, n in zip(seen, lengths, strict=True)]
        wanted = [token for row, n in zip(rows, lengths, strict=True) for token in row[-n:]]
        loss = cross_entropy(head(model, torch.cat(before)), torch.tensor(wanted, device=seen.device))
        return loss * (len(wanted) / num_items_in_batch) if num_items_in_batch else loss

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in weights(self.model).items()}, folder / _WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        set_peft_model_state_dict(self.model, load_file(Path(resume_from_checkpoint) / _WEIGHTS))

    def _is_long(self, row: Sequence[int]) -> bool:
        return is_long(len(row), len(self._lower.shared), TRAINING)


def steps_per_epoch(examples: int, options: TrainOptions) -> int:
    """Return the number of steps per epoch."""
    return math.ceil(math.ceil(examples / options.batch_size) / options.accumulation)


def fit(
    model: PeftModel,
    lower: Lower,
    coder: Coder,
    examples: Sequence[Example],
    options: TrainOptions,
    looks: Looks,
    scratch: Path,
    checkpoint: Path | None = None,
) -> None:
    """Train ``model`` in place and leave it in its best state; what the libraries write goes to ``scratch``.

    A ``checkpoint`` is where an earlier process got to.
    """
    rows = Rows(coder, examples, options)
    order = Order(rows.lengths(), options.batch_size * options.accumulation, options.seed)
    trainer = AnswerTrainer(
        lower, order, model=model, args=_arguments(options, model, scratch), train_dataset=rows, callbacks=[looks]
    )
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    looks.restore()


def _arguments(options: TrainOptions, model: PeftModel, scratch: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(scratch / TRAINER),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        gradient_accumulation_steps=options.accumulation,
        learning_rate=options.learning_rate,
        lr_scheduler_type=SCHEDULES[options.schedule],
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        max_grad_norm=1.0,
        seed=options.seed,
        logging_steps=1,
        # Looks ask for a checkpoint after each validation.
        save_strategy="no",
        save_total_limit=KEPT,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=model.device.type == "cpu",
        dataloader_pin_memory=False,
    )
    # Use one GPU only: the cached lower layers are on it, and a batch is small.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
