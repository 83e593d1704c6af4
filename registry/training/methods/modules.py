"""Modules that stand in for a linear one while it is tuned. Imports torch, so only training imports it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from postil.registry.preflight.adapter_config import ends
from postil.registry.training.errors import ShapeError


class Bottleneck(nn.Module):
    """A linear module followed by a linear bottleneck: ``y + U(Dy)``, where ``y`` is what the module answers."""

    def __init__(self, inner: nn.Linear, width: int) -> None:
        super().__init__()
        options = {"device": inner.weight.device, "dtype": inner.weight.dtype}
        self.inner = inner
        self.down = nn.Parameter(torch.randn(width, inner.out_features, **options) / inner.out_features**0.5)
        # Zero, so that training begins at the base.
        self.up = nn.Parameter(torch.zeros(inner.out_features, width, **options))

    def forward(self, inputs: Tensor) -> Tensor:
        """Answer as the module does, plus what the bottleneck adds."""
        answered = self.inner(inputs)
        return answered + (answered @ self.down.T) @ self.up.T

    def as_lora(self) -> tuple[Tensor, Tensor]:
        """Return A and B of the LoRA that comes to the same: ``(I + UD)W = W + U(DW)``."""
        return self.down.detach() @ self.inner.weight.detach(), self.up.detach()


class Shifted(nn.Module):
    """A linear module with a trained bias."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner
        self.shift = nn.Parameter(torch.zeros_like(inner.weight[:, 0]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Answer as the module does, plus the bias."""
        return self.inner(inputs) + self.shift


def linears(model: nn.Module, targets: Sequence[str]) -> Iterator[tuple[str, nn.Linear]]:
    """Give the linear modules that ``targets`` name."""
    wanted = set(targets)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and not wanted.isdisjoint(ends(name)):
            yield name, module


def add_bottlenecks(model: nn.Module, targets: Sequence[str], width: int) -> None:
    """Freeze ``model`` and put a bottleneck after each module named. Raises ShapeError."""
    model.requires_grad_(False)
    for name, module in linears(model, targets):
        if module.bias is not None:
            raise ShapeError(f"--tune bottleneck: {name} has a bias, which no LoRA can hold; leave it out of --targets")
        _replace(model, name, Bottleneck(module, width))


def add_biases(model: nn.Module, targets: Sequence[str]) -> None:
    """Freeze ``model`` and add a trained bias to each module named."""
    model.requires_grad_(False)
    for name, module in linears(model, targets):
        _replace(model, name, Shifted(module))


def free_linears(model: nn.Module, targets: Sequence[str]) -> None:
    """Train the modules named and nothing else: embeddings and norms cannot become a LoRA."""
    model.requires_grad_(False)
    for _, module in linears(model, targets):
        module.weight.requires_grad_(True)


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    above, _, last = name.rpartition(".")
    parent: Any = model.get_submodule(above)
    setattr(parent, last, module)
