"""The training loop: transformers' Trainer over a PEFT model. Imports torch, so only training imports it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from postil.registry.training.batches import TRAINING, batches, is_long
from postil.registry.training.dataset import Example
from postil.registry.training.forward import Lower, head, run, run_whole, sparing
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Watcher
from postil.registry.training.prompts import Coder
from postil.registry.training.report import Judged, Metrics, Part, measure
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

    def _is_long(self, row: Sequence[int]) -> bool:
        return is_long(len(row), len(self._lower.shared), TRAINING)


class Looks(TrainerCallback):
    """Validates several times per epoch, keeps the best state, and informs the watcher."""

    def __init__(
        self, model: PeftModel, answers: Callable[[], list[Judged]], every: int, options: TrainOptions, watcher: Watcher
    ) -> None:
        self._model, self._answers, self._every, self._watcher = model, answers, every, watcher
        self._reject = options.reject
        self._metrics: Metrics | None = None
        self._state: dict[str, Tensor] = {}
        self.best: list[Judged] = []
        self.parts: list[Part] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Validate if a part of the epoch is over."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._look(state.epoch or 0.0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Report the loss."""
        if logs and "loss" in logs:
            self._watcher.stepped(state.global_step, float(logs["loss"]))

    def _look(self, epoch: float) -> None:
        judged = self._answers()
        metrics = measure(judged, self._reject)
        best = _better(metrics, self._metrics)
        if best:
            state = get_peft_model_state_dict(self._model, save_embedding_layers=False)
            self._state = {name: value.detach().clone() for name, value in state.items()}
            self._metrics, self.best = metrics, judged
        self.parts.append(Part(epoch=round(epoch, 3), loss=metrics.loss, accuracy=metrics.accuracy))
        self._watcher.measured(epoch, metrics, best)

    def restore(self) -> None:
        """Load the best state into the model."""
        set_peft_model_state_dict(self._model, self._state)


def _better(new: Metrics, old: Metrics | None) -> bool:
    return old is None or (new.accuracy, -new.loss) > (old.accuracy, -old.loss)


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
) -> None:
    """Train ``model`` in place and leave it in its best state; what the libraries write goes to ``scratch``."""
    rows = Rows(coder, examples, options)
    order = Order(rows.lengths(), options.batch_size * options.accumulation, options.seed)
    trainer = AnswerTrainer(
        lower, order, model=model, args=_arguments(options, model, scratch), train_dataset=rows, callbacks=[looks]
    )
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    looks.restore()


def _arguments(options: TrainOptions, model: PeftModel, scratch: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        # Made by the Trainer; nothing is written there.
        output_dir=str(scratch / "trainer"),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        gradient_accumulation_steps=options.accumulation,
        learning_rate=options.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        max_grad_norm=1.0,
        seed=options.seed,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=model.device.type == "cpu",
        dataloader_pin_memory=False,
    )
    # Use one GPU only: the cached lower layers are on it, and a batch is small.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
