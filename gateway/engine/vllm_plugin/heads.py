"""No adapter changes the head: none is published that would. So nothing is added to logits, of answers or of prompts.

vLLM adds there for the rows that are sampled. The probabilities of a prompt's tokens have other rows, and asking for
them beside any other request ended its core.
"""

from __future__ import annotations

from typing import Any


class UnchangedHead:
    """Stands in the place of the LoRA operations for the head."""

    def add_lora_logits(self, logits: Any, *arguments: Any, **more: Any) -> Any:
        """Return the logits as they are."""
        return logits


def leave_alone(head: type[Any]) -> None:
    """Have vLLM's layer around the head, a class, add nothing."""

    def set_mapping(self: Any, operations: Any) -> None:
        self.punica_wrapper = UnchangedHead()

    if not callable(getattr(head, "set_mapping", None)):
        raise TypeError(f"{head.__name__} has no set_mapping")
    head.set_mapping = set_mapping
